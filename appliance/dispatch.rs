//! Where the edge's requests go: into [`protocols::serve`]. The one place that knows both.

use std::sync::{Arc, OnceLock};

use protocols::{AccessLine, AccessLog, Cloud};
use proxy::{Answer, Arrival, Body, Dispatch};

/// Stands from when the ports are bound; has a cloud behind it from when requests are answered.
#[derive(Default)]
pub struct Door {
    cloud: OnceLock<Arc<Cloud>>,
}

impl Door {
    /// Once, before the edge runs.
    pub fn open(&self, cloud: Arc<Cloud>) {
        let first = self.cloud.set(cloud).is_ok();
        debug_assert!(first, "a door is opened once");
    }
}

impl Dispatch for Door {
    fn http(self: Arc<Self>, arrival: Arrival, request: http::Request<Body>) -> Answer {
        Box::pin(async move {
            let Some(cloud) = self.cloud.get() else {
                let mut response = http::Response::new(protocols::empty());
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                return response;
            };
            let attribute = |environment: &str| arrival.connection.attribute(environment);
            let came = protocols::Arrival { https: arrival.https, peer: arrival.peer, attribute: &attribute };
            protocols::serve(cloud, came, request).await
        })
    }

    fn names(&self, _sni: &str) -> bool {
        // Every name of ours is under the domain.
        false
    }
}

/// Takes the lines that nobody wants.
pub struct NoAccessLog;

impl AccessLog for NoAccessLog {
    fn write(&self, _line: &AccessLine<'_>) {}
}
