//! THE TABLE. Order here is order in every list.

use crate::service::Service;

pub static SERVICES: &[&Service] = &[];
