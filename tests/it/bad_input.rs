//! Whatever is sent, the answer is never a panic and never a 5xx.

use futures_util::FutureExt;
use http::{HeaderValue, header};
use proptest::prelude::*;
use tower_pat::rejection::RejectionCode;

use crate::support::{World, answer, request};

fn world() -> (tokio::runtime::Runtime, World) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    (runtime, world)
}

proptest! {
    #[test]
    fn any_bytes_in_the_header_are_a_clear_refusal(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..99), 1..3),
        prefix in "|Bearer |bearer ",
    ) {
        thread_local!(static WORLD: (tokio::runtime::Runtime, World) = world());
        let mut request = request();
        for value in values {
            if let Ok(value) = HeaderValue::from_bytes(&[prefix.as_bytes(), &value].concat()) {
                request.headers_mut().append(header::AUTHORIZATION, value);
            }
        }
        let status = WORLD.with(|(runtime, world)| {
            runtime.block_on(answer(&world.layer(), request)).status
        });
        prop_assert!(status == 401 || status == 400, "{}", status);
    }
}

#[tokio::test]
async fn a_token_of_any_length_is_refused_at_once() {
    let world = World::new().await;
    for length in [0, 1, 100, 8_000, 8_185, 8_186, 100_000] {
        for unit in ["a", "a.", ".", "eyJhbGciOiJIUzI1NiJ9."] {
            let token: String = unit.chars().cycle().take(length).collect();
            // Nothing is looked up, so the answer is there without waiting.
            let answer = world.answer(&token).now_or_never().expect("nothing to wait for");
            assert_eq!(answer.status, 401);
            assert_eq!(answer.code(), RejectionCode::TokenNotAccepted.as_str());
        }
    }
    assert_eq!(world.store.finds(), 0);
}
