//! Any token text is a refusal, and any payload or header that is signed is read or refused.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::aws_lc::DEFAULT_PROVIDER};
use libfuzzer_sys::fuzz_target;
use tower_pat::{
    clock::Timestamp,
    random::{OsRandom, secret},
    token::{KeyRing, TokenKey, TokenVerifier},
};

const HEADER: &[u8] = br#"{"alg":"HS256"}"#;

static KEY: LazyLock<String> = LazyLock::new(|| secret(&OsRandom).unwrap());
static VERIFIER: LazyLock<TokenVerifier> =
    LazyLock::new(|| TokenVerifier::new(KeyRing::new(TokenKey::new(&KEY).unwrap())));

fn signed(header: &[u8], payload: &[u8]) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let input = format!("{}.{}", encode(header), encode(payload));
    let key = EncodingKey::from_secret(KEY.as_bytes());
    let signer = (DEFAULT_PROVIDER.signer_factory)(&Algorithm::HS256, &key).unwrap();
    format!("{input}.{}", encode(&signer.try_sign(input.as_bytes()).unwrap()))
}

fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp::from_seconds(1_750_000_000);
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(VERIFIER.verify(text, now).is_err());
        let with_datahubs_header = format!("eyJhbGciOiJIUzI1NiJ9.{text}");
        assert!(VERIFIER.verify(&with_datahubs_header, now).is_err());
    }
    let claims = br#"{"actorType":"USER","actorId":"a","type":"PERSONAL","version":"2"}"#;
    if let Ok(token) = VERIFIER.verify(&signed(HEADER, bytes), now) {
        assert!(serde_json::from_slice::<serde_json::Value>(bytes).is_ok());
        assert!(!token.claims.actor_id.is_empty());
    }
    if VERIFIER.verify(&signed(bytes, claims), now).is_ok() {
        let header: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(header["alg"], "HS256");
        assert!(header.get("crit").is_none() && header.get("zip").is_none());
    }
});
