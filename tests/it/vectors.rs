//! The vectors under `tests/data/token`, every one.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use tower_pat::{
    clock::Timestamp,
    token::{
        AccessTokenDuration, ActorType, KeyRing, Lifetime, LifetimeError, LifetimePolicy, Salt,
        TokenClaims, TokenError, TokenId, TokenKey, TokenVerifier, TokenVersion, VerifiedToken,
    },
};

fn read(name: &str) -> Value {
    let path = format!("{}/tests/data/token/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn cases(file: &Value) -> &Vec<Value> {
    file["cases"].as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The name that the vectors have for an error.
fn kind(error: &TokenError) -> &'static str {
    match error {
        TokenError::Malformed => "malformed",
        TokenError::Unsigned => "unsigned",
        TokenError::UnsupportedAlgorithm => "unsupported_alg",
        TokenError::UnsupportedHeader => "unsupported_header",
        TokenError::BadSignature => "bad_signature",
        TokenError::Expired(_) => "expired",
        TokenError::NotYetValid(_) => "not_yet_valid",
        TokenError::MissingClaim(_) => "missing_claim",
        TokenError::InvalidClaimType(_) => "invalid_claim_type",
        TokenError::InvalidClaim(_) => "invalid_claim",
        TokenError::UnknownVersion => "unknown_version",
        TokenError::UnknownTokenType => "unknown_token_type",
        TokenError::UnknownActorType => "unknown_actor_type",
        TokenError::WrongIssuer => "wrong_issuer",
        TokenError::ClaimMismatch => "claim_mismatch",
        other => panic!("no name for {other:?}"),
    }
}

fn verify(case: &Value) -> Result<VerifiedToken, &'static str> {
    let key = TokenKey::new(text(&case["signing_key"])).map_err(|_| "weak_key")?;
    let now = Timestamp::from_millis(case["now_unix_ms"].as_i64().unwrap());
    TokenVerifier::new(KeyRing::new(key))
        .verify(text(&case["token"]), now)
        .map_err(|error| kind(&error))
}

fn outcome(expected: &Value) -> Result<(), &str> {
    match expected["error_kind"].as_str() {
        None => Ok(()),
        Some(kind) => Err(kind),
    }
}

#[test]
fn every_token_gets_the_strict_verdict() {
    let file = read("tokens");
    assert_eq!(cases(&file).len(), 159);
    let mut differences = Vec::new();
    for case in cases(&file) {
        let name = text(&case["name"]);
        let found = verify(case);
        let expected = outcome(&case["expected_strict"]);
        match (&found, expected) {
            (Err(found), Err(expected)) if *found == expected => {}
            (Ok(token), Ok(())) => check_claims(name, case, token),
            (found, expected) => {
                differences.push(format!("{name}: {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

fn check_claims(name: &str, case: &Value, token: &VerifiedToken) {
    let claims = &token.claims;
    assert_eq!(claims.actor_type.as_str(), text(&case["actor_type"]), "{name}");
    assert_eq!(claims.actor_id, text(&case["actor_id"]), "{name}");
    assert_eq!(claims.token_type.as_str(), text(&case["type"]), "{name}");
    assert_eq!(claims.version.as_str(), case["version"].to_string(), "{name}");
    assert_eq!(claims.jti.as_deref(), case["jti"].as_str(), "{name}");
    assert_eq!(claims.expires_at.map(Timestamp::as_millis), case["exp_ms"].as_i64(), "{name}");
    let needs_store = claims.version == TokenVersion::Stateful;
    assert_eq!(needs_store, case["needs_store_lookup"].as_bool().unwrap(), "{name}");
    assert_eq!(claims.actor_urn().unwrap().as_str(), text(&case["actor_urn"]), "{name}");
}

/// What DataHub accepts and we refuse, each by name, so that a change in either direction shows.
const STRICTER_THAN_DATAHUB: [&str; 25] = [
    "actor_empty",
    "deep_nesting",
    "duplicate_actorId",
    "duplicate_exp",
    "exp_equals_now",
    "exp_iso_string",
    "exp_null",
    "exp_numeric_string",
    "header_crit",
    "header_duplicate_alg",
    "header_zip_def",
    "leading_space",
    "payload_invalid_utf8",
    "payload_two_objects",
    "signature_noncanonical_last_char",
    "signature_noncanonical_v1",
    "signature_padded",
    "signature_trailing_garbage",
    "space_before_first_dot",
    "trailing_newline",
    "v2_foreign_issuer",
    "v2_sub_differs_from_actor",
    "version_arabic_digit",
    "version_leading_zero",
    "version_plus_sign",
];

#[test]
fn we_refuse_what_datahub_refuses_and_the_listed_cases() {
    let file = read("tokens");
    let mut stricter = BTreeSet::new();
    for case in cases(&file) {
        let name = text(&case["name"]);
        match (verify(case).is_ok(), outcome(&case["expected"]).is_ok()) {
            (false, true) => _ = stricter.insert(name),
            (true, false) => panic!("{name} is refused by DataHub"),
            _ => {}
        }
    }
    assert_eq!(stricter, STRICTER_THAN_DATAHUB.into_iter().collect());
}

#[test]
fn every_token_has_datahubs_id() {
    for case in cases(&read("tokens")) {
        let id = TokenId::of(text(&case["token"]), &Salt::new(text(&case["salt"])));
        assert_eq!(id.to_string(), text(&case["sha256_salted_hash"]), "{}", case["name"]);
    }
}

#[test]
fn minting_writes_datahubs_bytes() {
    let file = read("mint");
    assert_eq!(cases(&file).len(), 10);
    for case in cases(&file) {
        let input = &case["input"];
        let issuer = input["issuer"].as_str().map(str::to_owned);
        let key = TokenKey::new(text(&input["signing_key"])).unwrap();
        let signer = TokenVerifier::new(KeyRing::new(key)).issuer(issuer);
        let claims = TokenClaims {
            actor_type: ActorType::User,
            actor_id: text(&input["actor_id"]).to_owned(),
            token_type: text(&input["token_type"]).parse().unwrap(),
            version: input["token_version"].to_string().parse().unwrap(),
            jti: Some(text(&input["jti"]).to_owned()),
            expires_at: input["exp"].as_i64().map(Timestamp::from_seconds),
        };
        let token = signer.sign(&claims).unwrap();
        assert_eq!(token.expose(), text(&case["token"]), "{}", case["name"]);
        let id = token.id(&Salt::new(text(&input["salt"])));
        assert_eq!(id.to_string(), text(&case["token_id"]), "{}", case["name"]);
        assert_eq!(id.urn().as_str(), text(&case["urn"]), "{}", case["name"]);
    }
}

#[test]
fn every_named_lifetime_is_datahubs() {
    let file = read("durations");
    let named = file["enum"].as_array().unwrap();
    assert_eq!(named.len(), AccessTokenDuration::ALL.len());
    for case in named {
        let duration: AccessTokenDuration = text(&case["name"]).parse().unwrap();
        check_lifetime(case, Ok(duration.lifetime()), &file);
    }
    assert!("one_hour".parse::<AccessTokenDuration>().is_err());
}

#[test]
fn every_iso_lifetime_is_datahubs() {
    let file = read("durations");
    let texts = file["iso8601"].as_array().unwrap();
    assert_eq!(texts.len(), 41);
    for case in texts {
        check_lifetime(case, text(&case["text"]).parse(), &file);
    }
}

fn check_lifetime(case: &Value, found: Result<Lifetime, LifetimeError>, file: &Value) {
    let policy = LifetimePolicy::new(text(&file["default_allowed_durations"]))
        .unwrap()
        .allow_no_expiry(file["default_allow_no_expiry"].as_bool().unwrap());
    let allowed = found.as_ref().is_ok_and(|lifetime| policy.check(*lifetime).is_ok());
    assert_eq!(allowed, case["allowed_by_default"].as_bool().unwrap(), "{case}");
    assert_eq!(policy, LifetimePolicy::default());
    let found = found.map_err(|error| match error {
        LifetimeError::Blank => "blank",
        LifetimeError::Invalid(_) => "invalid",
        LifetimeError::NotPositive(_) => "not_positive",
        other => panic!("no name for {other:?}"),
    });
    let expected = match (case["error_kind"].as_str(), case["ms"].as_u64()) {
        (Some(kind), _) => Err(kind),
        (None, Some(millis)) => Ok(Lifetime::For(Duration::from_millis(millis))),
        (None, None) => Ok(Lifetime::Never),
    };
    assert_eq!(found, expected, "{case}");
}
