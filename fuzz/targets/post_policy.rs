//! Policy documents of form uploads, and the form fields they are held against.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::auth::post_policy::Policy;
use storage::Timestamp;

fuzz_target!(|input: (String, Vec<(&str, &str)>)| {
    let (document, fields) = input;
    let encoded = data_encoding::BASE64.encode(document.as_bytes());
    for text in [document.as_str(), &encoded] {
        if let Ok(policy) = Policy::parse(text) {
            let _ = policy.length();
            let _ = policy.check(&fields, Timestamp(0));
        }
    }
});
