//! Any text is a list of policies that can be written, read again and asked, or a clear error.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tower_pat::{
    Privilege,
    actor::{Actor, Urn},
    policy::{PolicyIndex, Resource, parse_policies},
};

fuzz_target!(|text: &str| {
    match parse_policies(text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(records) => {
            let actor = Urn::corpuser("alice").unwrap();
            let resource = Resource::new(&actor);
            let policies = records.into_iter().map(|record| record.info);
            let privileges = PolicyIndex::new(policies).privileges(Arc::new(Actor::new(actor)));
            let _ = privileges.decide_privilege(&Privilege::EDIT_ENTITY, Some(&resource));
            let _ = privileges.granted(None);
        }
    }
});
