//! Host and path of a request, before anything is known about its sender.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::address;

fuzz_target!(|input: (&str, &str)| {
    let (host, path) = input;
    if let Ok(address) = address::parse(Some(host), path, "mockfactory.localhost") {
        assert!(address.path_prefix <= path.len() && path.is_char_boundary(address.path_prefix));
        if let Some(front) = &address.front {
            assert!(!front.is_empty() && front.len() <= address::HOST_BYTES_MAX);
        }
    }
});
