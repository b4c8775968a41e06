use std::{borrow::Cow, sync::Arc};

use super::{
    KeyError, KeyId, KeyMaterial, KeyRing, TokenClaims, TokenError, TokenKey, TokenText,
    compact::{self, Compact},
    kept_verifiers,
    payload::{Claims, Expected, Issuer},
};
use crate::clock::Timestamp;

/// Verifies and writes token texts: signature, time and claims, nothing that is looked up.
///
/// See the [module docs](super) for the order in which things are judged.
#[derive(Debug, Clone)]
pub struct TokenVerifier {
    keys: KeyMaterial,
    issuer: Option<Issuer>,
    check_issuer: bool,
    check_subject: bool,
}

/// A token whose signature, time and claims are good. Whether it was revoked and whether its actor
/// may act is another matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// What it says.
    pub claims: TokenClaims,
    /// The key that signed it.
    pub key_id: KeyId,
}

impl TokenVerifier {
    /// The issuer that DataHub writes unless told otherwise (`DATAHUB_TOKEN_SERVICE_ISSUER`).
    pub const DEFAULT_ISSUER: &str = "datahub-metadata-service";

    /// A verifier with these keys and DataHub's default issuer. Given a [`KeyMaterial`], it goes on
    /// with what that holds when it is replaced.
    #[must_use]
    pub fn new(keys: impl Into<KeyMaterial>) -> Self {
        Self {
            keys: keys.into(),
            issuer: Some(Issuer::new(Self::DEFAULT_ISSUER.to_owned())),
            check_issuer: true,
            check_subject: true,
        }
    }

    /// The issuer that is written, and compared with; `None` writes no `iss`, and then a token that
    /// has one is refused. Default [`DEFAULT_ISSUER`](Self::DEFAULT_ISSUER).
    #[must_use]
    pub fn issuer(mut self, issuer: Option<String>) -> Self {
        self.issuer = issuer.map(Issuer::new);
        self
    }

    /// Whether an `iss` that is present must be the configured one. Default true; DataHub never
    /// looks. Off for deployments that changed their issuer while tokens were out.
    #[must_use]
    pub fn check_issuer(mut self, check: bool) -> Self {
        self.check_issuer = check;
        self
    }

    /// Whether a `sub` that is present must be the actor. Default true; DataHub never looks.
    #[must_use]
    pub fn check_subject(mut self, check: bool) -> Self {
        self.check_subject = check;
        self
    }

    /// The keys that verify and sign, as they are now.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.ring()
    }

    /// The keys that verify and sign, whatever becomes of them.
    #[must_use]
    pub fn material(&self) -> &KeyMaterial {
        &self.keys
    }

    /// Judges `text` at the time `now`. A token is no longer good *at* its `exp`
    /// (RFC 7519 section 4.1.4; DataHub takes it for a millisecond more), and there is no leeway.
    ///
    /// # Errors
    ///
    /// The first [`TokenError`] in the order of the [module docs](super).
    pub fn verify(&self, text: &str, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        let mut buffer = Buffer::new();
        let signed = self.signed(text.as_bytes())?;
        let claims = self.claims(&signed.payload(&mut buffer)?, now)?.into_owned();
        Ok(VerifiedToken { claims, key_id: signed.key_id })
    }

    /// The first half of judging a text: whether one of the keys signed it.
    pub(crate) fn signed<'a>(&self, text: &'a [u8]) -> Result<Signed<'a>, TokenError> {
        let compact = Compact::split(text)?;
        let mac = compact.mac();
        mac.as_ref()
            .and_then(|mac| kept_verifiers::verify(&self.keys.ring(), compact.signing_input, mac))
            .map(|key_id| Signed { compact, key_id })
            .ok_or_else(|| compact.refusal(mac.as_ref()))
    }

    /// The second half: what a payload that is signed says.
    pub(crate) fn claims<'p>(
        &self,
        payload: &'p [u8],
        now: Timestamp,
    ) -> Result<Claims<'p>, TokenError> {
        let Self { check_issuer, check_subject, .. } = *self;
        let issuer = self.issuer.as_ref();
        Claims::read(payload, Expected { now, issuer, check_issuer, check_subject })
    }

    /// Writes the token that says `claims`, byte for byte as DataHub would, with the ring's signing
    /// key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Backend`] if the signature backend fails.
    pub fn sign(&self, claims: &TokenClaims) -> Result<TokenText, KeyError> {
        self.sign_with(self.keys.ring().signing(), claims)
    }

    /// As [`sign`](Self::sign), with this key.
    pub(crate) fn sign_with(
        &self,
        key: &TokenKey,
        claims: &TokenClaims,
    ) -> Result<TokenText, KeyError> {
        let issuer = self.issuer.as_ref().map(|issuer| issuer.text.as_str());
        let input = compact::signing_input(&claims.to_json(issuer));
        let mac = key.sign(input.as_bytes())?;
        Ok(TokenText::new(compact::append_signature(input, &mac)))
    }
}

/// A text that was signed with one of the keys, of which nothing was read yet.
pub(crate) struct Signed<'a> {
    compact: Compact<'a>,
    pub(crate) key_id: KeyId,
}

/// Room for the claims of most tokens.
pub(crate) struct Buffer([u8; compact::PAYLOAD_BUFFER]);

impl Buffer {
    pub(crate) fn new() -> Self {
        Self([0; compact::PAYLOAD_BUFFER])
    }
}

impl Signed<'_> {
    /// The claims' bytes, if the header is one that is understood.
    pub(crate) fn payload<'b>(&self, buffer: &'b mut Buffer) -> Result<Cow<'b, [u8]>, TokenError> {
        self.compact.check_header()?;
        self.compact.payload(&mut buffer.0)
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;
    use crate::token::{ActorType, TokenKey, TokenType, TokenVersion};

    const NOW: Timestamp = Timestamp::from_seconds(1_750_000_000);

    fn verifier() -> TokenVerifier {
        let key = TokenKey::new("q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=").unwrap();
        TokenVerifier::new(KeyRing::new(key))
    }

    fn claims(actor_id: &str) -> TokenClaims {
        TokenClaims {
            actor_type: ActorType::User,
            actor_id: actor_id.to_owned(),
            token_type: TokenType::Personal,
            version: TokenVersion::Stateful,
            jti: Some("3f0c2a51-6d1e-4b7a-9c55-0d8a4e2b7f10".to_owned()),
            expires_at: Some(Timestamp::from_seconds(1_752_592_000)),
        }
    }

    #[test]
    fn the_key_that_fits_is_found_whatever_the_header_says_of_it() {
        let text = |letter| format!("{letter}7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=");
        let [signing, other, foreign] =
            ["q", "p", "r"].map(|letter| TokenKey::new(&text(letter)).unwrap());
        let ring = KeyRing::new(signing.clone()).with_verifying(other.clone());
        let verifier = TokenVerifier::new(ring);
        let token = |key: &TokenKey, kid: &str| {
            let header = format!(r#"{{"kid":{kid},"alg":"HS256"}}"#);
            let claims = claims("datahub").to_json(Some(TokenVerifier::DEFAULT_ISSUER));
            let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
            let input = format!("{}.{}", encode(header), encode(claims));
            let mac = key.sign(input.as_bytes()).unwrap();
            compact::append_signature(input, &mac)
        };
        let names = [&signing, &other, &foreign].map(|key| format!("\"{}\"", key.id()));
        for kid in
            names.iter().map(String::as_str).chain(["\"../../etc/passwd\"", "\"\"", "7", "null"])
        {
            for key in [&signing, &other] {
                let verified = verifier.verify(&token(key, kid), NOW);
                assert_eq!(verified.map(|verified| verified.key_id), Ok(key.id()), "{kid}");
            }
            let refused = verifier.verify(&token(&foreign, kid), NOW);
            assert_eq!(refused, Err(TokenError::BadSignature), "{kid}");
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies_and_says_the_same(actor_id in "\\PC{1,40}") {
            let token = verifier().sign(&claims(&actor_id)).unwrap();
            let verified = verifier().verify(token.expose(), NOW);
            prop_assert_eq!(verified.map(|token| token.claims), Ok(claims(&actor_id)));
        }

        #[test]
        fn any_text_is_refused_unless_signed(
            text in "\\PC*|[A-Za-z0-9_.=-]{0,100}|eyJhbGciOiJIUzI1NiJ9\\.[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]{43}",
        ) {
            prop_assert!(verifier().verify(&text, NOW).is_err());
        }

        #[test]
        fn a_token_with_one_byte_changed_is_refused(at in 0_usize..300, to in "[ -~]") {
            let token = verifier().sign(&claims("datahub")).unwrap();
            let mut text = token.expose().to_owned();
            let at = at % text.len();
            prop_assume!(text[at..=at] != *to);
            text.replace_range(at..=at, &to);
            prop_assert!(verifier().verify(&text, NOW).is_err());
        }

        #[test]
        fn any_signed_payload_is_read_or_refused(
            payload in "\\PC*|\\{(\"(exp|nbf|type|version|iss)\":[-0-9.eE\"a-z\\[\\]]{1,9},?){0,4}\\}",
        ) {
        let input = compact::signing_input(&payload);
            let mac = verifier().keys().signing().sign(input.as_bytes()).unwrap();
            let _ = verifier().verify(&compact::append_signature(input, &mac), NOW);
        }
    }
}
