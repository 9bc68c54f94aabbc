//! No `Authorization` header makes reading it panic, and what is read is a client identifier.
#![no_main]

use grantor::client::Credentials;
use grantor::protocol::{Params, id::is_vschar};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(credentials) = Credentials::read(Some(input), &Params::default()) {
        assert!(is_vschar(credentials.client_id.as_str()));
    }
});
