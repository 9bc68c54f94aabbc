//! Whatever is decoded is what `form_urlencoded` decodes; whatever is not is refused, never repaired.
#![no_main]

use grantor::protocol::Params;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(params) = Params::parse(input) else { return };
    for (name, value) in form_urlencoded::parse(input) {
        let first = params.all(&name).next();
        assert!(value.is_empty() || first.is_some());
        if let Some(read) = params.get(&name) {
            assert!(params.fault(&name).is_none());
            assert_eq!(Some(read), first);
            assert_eq!(read, value);
        }
    }
});
