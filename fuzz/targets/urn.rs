//! Any text is a urn that reads as it was written, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_pat::actor::Urn;

fuzz_target!(|text: &str| {
    if let Ok(urn) = text.parse::<Urn>() {
        assert_eq!(urn.as_str(), text);
        assert!(text.ends_with(urn.key()));
        let _ = Urn::corpuser(urn.key());
    }
});
