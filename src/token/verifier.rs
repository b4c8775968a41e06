use std::sync::Arc;

use super::{
    KeyError, KeyId, KeyMaterial, KeyRing, TokenClaims, TokenError, TokenKey, TokenText,
    compact::{self, Compact},
    json::{PlainObject, Value, read_object},
};
use crate::clock::Timestamp;

/// Verifies and writes token texts: signature, time and claims, nothing that is looked up.
///
/// See the [module docs](super) for the order in which things are judged.
#[derive(Debug, Clone)]
pub struct TokenVerifier {
    keys: KeyMaterial,
    issuer: Option<String>,
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
            issuer: Some(Self::DEFAULT_ISSUER.to_owned()),
            check_issuer: true,
            check_subject: true,
        }
    }

    /// The issuer that is written, and compared with; `None` writes no `iss`, and then a token that
    /// has one is refused. Default [`DEFAULT_ISSUER`](Self::DEFAULT_ISSUER).
    #[must_use]
    pub fn issuer(mut self, issuer: Option<String>) -> Self {
        self.issuer = issuer;
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
        let compact = Compact::split(text)?;
        let mac = compact.mac();
        let key_id = mac
            .as_ref()
            .and_then(|mac| self.keys.ring().verify(compact.signing_input.as_bytes(), mac))
            .ok_or_else(|| compact.refusal(mac.as_ref()))?;
        compact.check_header()?;
        let mut buffer = [0; compact::PAYLOAD_BUFFER];
        let payload = compact.payload(&mut buffer)?;
        let members = Members::read(&payload)?;
        let expires_at = members.check_time(now)?;
        let claims = members.claims(expires_at)?;
        if self.check_issuer
            && let Some(issuer) = members.issuer.optional_text("iss")?
            && Some(issuer) != self.issuer.as_deref()
        {
            return Err(TokenError::WrongIssuer);
        }
        if self.check_subject
            && let Some(subject) = members.subject.optional_text("sub")?
            && subject != claims.actor_id
        {
            return Err(TokenError::ClaimMismatch);
        }
        Ok(VerifiedToken { claims, key_id })
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
        let input = compact::signing_input(&claims.to_json(self.issuer.as_deref()));
        let mac = key.sign(input.as_bytes())?;
        Ok(TokenText::new(compact::append_signature(input, &mac)))
    }
}

/// The members of the payload that matter, as they stand.
#[derive(Debug, Default, PartialEq)]
struct Members<'a> {
    actor_type: Member<'a>,
    actor_id: Member<'a>,
    token_type: Member<'a>,
    version: Member<'a>,
    jti: Member<'a>,
    subject: Member<'a>,
    issuer: Member<'a>,
    expires: Member<'a>,
    not_before: Member<'a>,
}

#[derive(Debug, Default, PartialEq)]
struct Member<'a>(Option<Value<'a>>);

impl<'a> Members<'a> {
    fn read(payload: &'a [u8]) -> Result<Self, TokenError> {
        match Self::read_plain(payload) {
            Some(members) => Ok(members),
            None => Self::read_strict(payload),
        }
    }

    /// Reads a payload as it is usually written: members that are known, each once, with texts
    /// without escapes, and no white space. `None` for any other, also if it is not JSON at all.
    fn read_plain(payload: &'a [u8]) -> Option<Self> {
        let mut members = Self::default();
        let mut plain = PlainObject::new(payload)?;
        while let Some((name, value)) = plain.next()? {
            let member = members.named(name)?;
            if member.0.replace(value).is_some() {
                return None;
            }
        }
        Some(members)
    }

    fn read_strict(payload: &'a [u8]) -> Result<Self, TokenError> {
        let mut members = Self::default();
        read_object(payload, |name, value| {
            if let Some(member) = members.named(name) {
                member.0 = Some(value);
            }
        })
        .map_err(|_| TokenError::Malformed)?;
        Ok(members)
    }

    fn named(&mut self, name: &str) -> Option<&mut Member<'a>> {
        Some(match name {
            "actorType" => &mut self.actor_type,
            "actorId" => &mut self.actor_id,
            "type" => &mut self.token_type,
            "version" => &mut self.version,
            "jti" => &mut self.jti,
            "sub" => &mut self.subject,
            "iss" => &mut self.issuer,
            "exp" => &mut self.expires,
            "nbf" => &mut self.not_before,
            _ => return None,
        })
    }

    fn check_time(&self, now: Timestamp) -> Result<Option<Timestamp>, TokenError> {
        let expires_at = self.expires.date("exp")?;
        if let Some(expires_at) = expires_at
            && now >= expires_at
        {
            return Err(TokenError::Expired(expires_at));
        }
        match self.not_before.date("nbf")? {
            Some(not_before) if now < not_before => Err(TokenError::NotYetValid(not_before)),
            _ => Ok(expires_at),
        }
    }

    fn claims(&self, expires_at: Option<Timestamp>) -> Result<TokenClaims, TokenError> {
        let version = self.version.text("version")?;
        let token_type = self.token_type.text("type")?;
        let actor_id = self.actor_id.text("actorId")?;
        let actor_type = self.actor_type.text("actorType")?;
        if actor_id.is_empty() {
            return Err(TokenError::InvalidClaim("actorId"));
        }
        Ok(TokenClaims {
            version: version.parse()?,
            token_type: token_type.parse()?,
            actor_type: actor_type.parse()?,
            actor_id: actor_id.to_owned(),
            jti: match &self.jti.0 {
                Some(Value::Text(jti)) => Some(jti.clone().into_owned()),
                _ => None,
            },
            expires_at,
        })
    }
}

impl Member<'_> {
    /// A claim that must be there; `null` counts as absent, as in DataHub.
    fn text(&self, name: &'static str) -> Result<&str, TokenError> {
        match &self.0 {
            Some(Value::Text(text)) => Ok(text),
            Some(Value::Null) | None => Err(TokenError::MissingClaim(name)),
            Some(_) => Err(TokenError::InvalidClaimType(name)),
        }
    }

    fn optional_text(&self, name: &'static str) -> Result<Option<&str>, TokenError> {
        match self.text(name) {
            Ok(text) => Ok(Some(text)),
            Err(TokenError::MissingClaim(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A NumericDate (RFC 7519 section 2). Fractions are cut off, as DataHub does.
    fn date(&self, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
        /// Seconds whose milliseconds still fit.
        const RANGE: i64 = i64::MAX / 1000;
        let seconds = match &self.0 {
            None => return Ok(None),
            Some(Value::Integer(seconds)) => Some(*seconds),
            // The range is far inside of what a cast can represent.
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
            Some(Value::Float(seconds)) => {
                (seconds.abs() < RANGE as f64).then_some(seconds.trunc() as i64)
            }
            Some(_) => None,
        };
        seconds
            .filter(|seconds| (-RANGE..=RANGE).contains(seconds))
            .map(|seconds| Some(Timestamp::from_seconds(seconds)))
            .ok_or(TokenError::InvalidClaim(name))
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
    fn what_datahub_writes_is_read_quickly() {
        for issuer in [None, Some("datahub-metadata-service")] {
            let json = claims("Zoë").to_json(issuer);
            assert!(Members::read_plain(json.as_bytes()).is_some(), "{json}");
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
        fn the_quick_reading_says_what_the_strict_one_says(
            payload in "\\{(\"(exp|nbf|type|version|iss|sub|jti|x)\":(\"[ -~é]{0,4}\"|-?[0-9]{1,20}|null|1e3|0[0-9]),?){0,4}\\}",
        ) {
            if let Some(plain) = Members::read_plain(payload.as_bytes()) {
                prop_assert_eq!(Members::read_strict(payload.as_bytes()), Ok(plain));
            }
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
