//! Any bytes in the `Authorization` header are a refusal, found without asking anybody.
#![no_main]

use std::{cell::LazyCell, time::Duration};

use http::{HeaderValue, Request, header};
use libfuzzer_sys::fuzz_target;
use tower_pat::{
    Authenticator, Config,
    authenticate::Verdict,
    random::{OsRandom, secret},
    store::MemoryStore,
};

thread_local! {
    static AUTHENTICATOR: LazyCell<(tokio::runtime::Runtime, Authenticator)> = LazyCell::new(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let secret = || secret(&OsRandom).unwrap();
        let config = Config::builder(secret(), secret()).revocation_bound(Duration::from_secs(1));
        let store = MemoryStore::default();
        let builder = Authenticator::builder(config.build().unwrap(), store);
        let authenticator = runtime.block_on(builder.build()).unwrap();
        (runtime, authenticator)
    });
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut request = Request::new(());
    request.headers_mut().insert(header::AUTHORIZATION, value);
    AUTHENTICATOR.with(|authenticator| {
        let verdict = authenticator.1.verdict((&request).into());
        assert!(matches!(verdict, Verdict::Ready(Err(_))));
    });
});
