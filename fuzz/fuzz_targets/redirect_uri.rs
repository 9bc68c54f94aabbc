//! A URI that may be registered is one that browsers see as we do, and it matches nothing but itself.
#![no_main]

use grantor::protocol::{ApplicationType, RedirectUri};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (registered, presented) = input;
    let Ok(uri) = RedirectUri::parse(registered, ApplicationType::Web) else { return };
    assert!(uri.matches(registered));
    let seen = url::Url::parse(registered).expect("a registered URI is a URL");
    assert!(!matches!(seen.scheme(), "javascript" | "data" | "vbscript" | "file" | "blob"));
    if let Some(accepted) = uri.accept(presented) {
        assert_eq!(accepted.as_str(), presented);
        assert!(presented == registered || uri.is_loopback());
        let answer = url::Url::parse(&accepted.with_query([("code", "c"), ("state", "&=#")])).expect("still a URL");
        assert_eq!(answer.host_str(), seen.host_str());
        assert_eq!(answer.query_pairs().filter(|(name, _)| name == "code").count(), 1);
    }
});
