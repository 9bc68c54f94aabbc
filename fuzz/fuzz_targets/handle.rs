//! Whatever reads as a handle is written back as the very same text.
#![no_main]

use grantor::token::{Handle, HandleKind, RefreshHandle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    for kind in HandleKind::ALL {
        if let Some(handle) = Handle::decode(*kind, input) {
            assert_eq!(handle.encode(*kind).expose(), input);
        }
    }
    if let Some(handle) = RefreshHandle::decode(input) {
        assert_eq!(handle.encode().expose(), input);
    }
});
