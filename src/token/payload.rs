//! What the payload of a token says.

use std::borrow::Cow;

use super::{
    ActorType, TokenClaims, TokenError, TokenType, TokenVersion,
    claims::push_string,
    json::{Value, read_object},
};
use crate::clock::Timestamp;

/// What a token says, as it stands in its payload.
#[derive(Debug, PartialEq)]
pub(crate) struct Claims<'a> {
    pub(crate) actor_id: Cow<'a, str>,
    pub(crate) token_type: TokenType,
    pub(crate) version: TokenVersion,
    pub(crate) jti: Option<Cow<'a, str>>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// What the registered claims must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'e> {
    pub(super) now: Timestamp,
    /// The issuer that is configured.
    pub(super) issuer: Option<&'e Issuer>,
    /// Whether an `iss` that is present must be that.
    pub(super) check_issuer: bool,
    /// Whether a `sub` that is present must be the actor.
    pub(super) check_subject: bool,
}

/// Who is said to have made a token.
#[derive(Debug, Clone)]
pub(super) struct Issuer {
    pub(super) text: String,
    /// As it stands in a payload.
    json: String,
}

impl Issuer {
    pub(super) fn new(text: String) -> Self {
        let mut json = String::new();
        push_string(&mut json, &text);
        Self { text, json }
    }
}

impl Claims<'_> {
    pub(crate) fn into_owned(self) -> TokenClaims {
        TokenClaims {
            // There is no other.
            actor_type: ActorType::User,
            actor_id: self.actor_id.into_owned(),
            token_type: self.token_type,
            version: self.version,
            jti: self.jti.map(Cow::into_owned),
            expires_at: self.expires_at,
        }
    }
}

impl<'a> Claims<'a> {
    /// Judges a payload.
    pub(super) fn read(payload: &'a [u8], expected: Expected<'_>) -> Result<Self, TokenError> {
        match Self::read_as_written(payload, expected) {
            Some(claims) => Ok(claims),
            None => Self::read_strict(payload, expected),
        }
    }

    /// Reads a payload that is good, and written as DataHub and [`TokenClaims::to_json`] write it:
    /// these members in this order, without white space and escapes. `None` for any other, whatever
    /// is to be said of it.
    fn read_as_written(payload: &'a [u8], expected: Expected<'_>) -> Option<Self> {
        let rest = payload.strip_prefix(br#"{"actorType":"USER","actorId":""#)?;
        let (actor_id, rest) = plain_text(rest)?;
        let rest = rest.strip_prefix(br#","type":""#)?;
        let (token_type, rest) = if let Some(rest) = rest.strip_prefix(br#"PERSONAL""#) {
            (TokenType::Personal, rest)
        } else if let Some(rest) = rest.strip_prefix(br#"SERVICE_ACCOUNT""#) {
            (TokenType::ServiceAccount, rest)
        } else {
            (TokenType::Session, rest.strip_prefix(br#"SESSION""#)?)
        };
        let (version, rest) = match rest.strip_prefix(br#","version":""#)? {
            [b'1', b'"', rest @ ..] => (TokenVersion::Stateless, rest),
            [b'2', b'"', rest @ ..] => (TokenVersion::Stateful, rest),
            _ => return None,
        };
        let (jti, rest) = match rest.strip_prefix(br#","jti":""#) {
            Some(rest) => {
                let (jti, rest) = plain_text(rest)?;
                (Some(Cow::Borrowed(jti)), rest)
            }
            None => (None, rest),
        };
        let rest = match rest.strip_prefix(br#","sub":""#) {
            Some(rest) => rest.strip_prefix(actor_id.as_bytes())?.strip_prefix(br#"""#)?,
            None => rest,
        };
        let (expires_at, rest) = match rest.strip_prefix(br#","exp":"#) {
            Some(rest) => {
                let (seconds, rest) = plain_seconds(rest)?;
                (Some(Timestamp::from_seconds(seconds)), rest)
            }
            None => (None, rest),
        };
        let rest = match rest.strip_prefix(br#","iss":"#) {
            Some(rest) => rest.strip_prefix(expected.issuer?.json.as_bytes())?,
            None => rest,
        };
        let is_good = rest == b"}"
            && !actor_id.is_empty()
            && expires_at.is_none_or(|expires_at| expected.now < expires_at);
        let actor_id = Cow::Borrowed(actor_id);
        is_good.then_some(Self { actor_id, token_type, version, jti, expires_at })
    }

    /// Reads any payload, and says what is wrong with it.
    fn read_strict(payload: &'a [u8], expected: Expected<'_>) -> Result<Self, TokenError> {
        let members = Members::read(payload)?;
        let expires_at = members.check_time(expected.now)?;
        members.check_claims()?;
        if expected.check_issuer
            && let Some(issuer) = members.issuer.optional_text("iss")?
            && Some(issuer) != expected.issuer.map(|issuer| issuer.text.as_str())
        {
            return Err(TokenError::WrongIssuer);
        }
        if expected.check_subject
            && let Some(subject) = members.subject.optional_text("sub")?
            && subject != members.actor_id.text("actorId")?
        {
            return Err(TokenError::ClaimMismatch);
        }
        members.into_claims(expires_at)
    }
}

/// The text up to the quotation mark, and what stands behind that, if there are neither escapes nor
/// characters that would have to be escaped.
fn plain_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (text, rest) = bytes.split_at_checked(memchr::memchr(b'"', bytes)?)?;
    let is_escaped =
        text.iter().fold(false, |so_far, byte| so_far | (*byte == b'\\') | (*byte < b' '));
    if is_escaped {
        return None;
    }
    Some((std::str::from_utf8(text).ok()?, rest.get(1..)?))
}

/// A whole number as dates have them, and what stands behind it.
fn plain_seconds(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (mut number, mut digits) = (0, 0);
    for byte in bytes.iter().take_while(|byte| byte.is_ascii_digit()) {
        if digits == MAX_DIGITS {
            return None;
        }
        number = number * 10 + i64::from(byte - b'0');
        digits += 1;
    }
    let has_leading_zero = digits > 1 && bytes.starts_with(b"0");
    if digits == 0 || has_leading_zero {
        return None;
    }
    Some((number, bytes.get(digits..)?))
}

/// So few that they fit.
const MAX_DIGITS: usize = 12;

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

    /// Whether all is there of which a token without it says nothing.
    fn check_claims(&self) -> Result<(), TokenError> {
        let version = self.version.text("version")?;
        let token_type = self.token_type.text("type")?;
        let actor_id = self.actor_id.text("actorId")?;
        let actor_type = self.actor_type.text("actorType")?;
        if actor_id.is_empty() {
            return Err(TokenError::InvalidClaim("actorId"));
        }
        version.parse::<TokenVersion>()?;
        token_type.parse::<TokenType>()?;
        actor_type.parse::<ActorType>()?;
        Ok(())
    }

    fn into_claims(self, expires_at: Option<Timestamp>) -> Result<Claims<'a>, TokenError> {
        Ok(Claims {
            version: self.version.text("version")?.parse()?,
            token_type: self.token_type.text("type")?.parse()?,
            actor_id: self.actor_id.into_text().ok_or(TokenError::MissingClaim("actorId"))?,
            jti: self.jti.into_text(),
            expires_at,
        })
    }
}

impl<'a> Member<'a> {
    fn into_text(self) -> Option<Cow<'a, str>> {
        match self.0 {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
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
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    const ISSUER: &str = "datahub-metadata-service";

    static THE_ISSUER: LazyLock<Issuer> = LazyLock::new(|| Issuer::new(ISSUER.to_owned()));

    fn expected() -> Expected<'static> {
        Expected {
            now: Timestamp::from_seconds(1_750_000_000),
            issuer: Some(&THE_ISSUER),
            check_issuer: true,
            check_subject: true,
        }
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
        for issuer in [None, Some(ISSUER)] {
            for version in [TokenVersion::Stateless, TokenVersion::Stateful] {
                for token_type in
                    [TokenType::Session, TokenType::Personal, TokenType::ServiceAccount]
                {
                    for (jti, expires_at) in [(None, None), (claims("").jti, claims("").expires_at)]
                    {
                        let claims =
                            TokenClaims { version, token_type, jti, expires_at, ..claims("Zoë") };
                        let json = claims.to_json(issuer);
                        let read = Claims::read_as_written(json.as_bytes(), expected());
                        assert_eq!(read.map(Claims::into_owned), Some(claims), "{json}");
                    }
                }
            }
        }
    }

    /// How both ways read it: the strict one's word counts, and the quick one may not differ.
    fn read(payload: &str, expected: Expected<'_>) -> Result<TokenClaims, TokenError> {
        let strict = Claims::read_strict(payload.as_bytes(), expected);
        if let Some(quick) = Claims::read_as_written(payload.as_bytes(), expected) {
            assert_eq!(strict.as_ref(), Ok(&quick), "{payload}");
        }
        strict.map(Claims::into_owned)
    }

    #[test]
    fn what_is_not_good_is_not_read_quickly() {
        let good = claims("alice").to_json(Some(ISSUER));
        assert!(read(&good, expected()).is_ok());
        for (what, other, error) in [
            ("USER", "GROUP", TokenError::UnknownActorType),
            ("PERSONAL", "personal", TokenError::UnknownTokenType),
            (r#""2""#, r#""3""#, TokenError::UnknownVersion),
            (r#""2""#, "2", TokenError::InvalidClaimType("version")),
            (r#""sub":"alice""#, r#""sub":"alicia""#, TokenError::ClaimMismatch),
            (r#""sub":"alice""#, r#""sub":"al""#, TokenError::ClaimMismatch),
            (r#""iss":"datahub"#, r#""iss":"datacube"#, TokenError::WrongIssuer),
            ("1752592000", "1750000000", TokenError::Expired(expected().now)),
            ("1752592000", "01752592000", TokenError::Malformed),
            ("1752592000", "", TokenError::Malformed),
            ("1752592000", "99999999999999999", TokenError::InvalidClaim("exp")),
            ("alice", "", TokenError::InvalidClaim("actorId")),
            ("alice", "a\nb", TokenError::Malformed),
            ("alice", "a\\x", TokenError::Malformed),
            ("}", "} ", TokenError::Malformed),
            ("}", ",}", TokenError::Malformed),
            (r#""jti""#, r#""iss":"x","jti""#, TokenError::Malformed),
            (r#""datahub-metadata-service""#, "", TokenError::Malformed),
        ] {
            let payload = good.replace(what, other);
            assert_ne!(payload, good);
            let quick = Claims::read_as_written(payload.as_bytes(), expected());
            assert_eq!((read(&payload, expected()), quick), (Err(error), None), "{payload}");
        }
        // Good, in another spelling or order.
        for (what, other) in [
            (r#""jti""#, r#""iat":1,"jti""#),
            ("PERSONAL", "\\u0050ERSONAL"),
            ("alice", "\\u0061lice"),
            (",", ", "),
        ] {
            let payload = good.replace(what, other);
            assert_eq!(Claims::read_as_written(payload.as_bytes(), expected()), None);
            assert_eq!(read(&payload, expected()), Ok(claims("alice")), "{payload}");
        }
        let bytes = [good.split("alice").next().unwrap().as_bytes(), b"\xff"].concat();
        let bytes = [&bytes, good.split_once("alice").unwrap().1.as_bytes()].concat();
        assert_eq!(Claims::read(&bytes, expected()), Err(TokenError::Malformed));
    }

    #[test]
    fn an_issuer_is_compared_as_it_is_meant_and_not_as_it_is_written() {
        let issuer = r#"a\u0041"b"#;
        let configured = Issuer::new(issuer.to_owned());
        let expected = Expected { issuer: Some(&configured), ..expected() };
        assert_eq!(read(&claims("alice").to_json(Some(issuer)), expected), Ok(claims("alice")));
        let other = claims("alice").to_json(Some("other")).replace("other", r#"a\u0041"#);
        assert_eq!(read(&other, expected), Err(TokenError::WrongIssuer));
        let nobody = Expected { issuer: None, ..expected };
        let without = other.replace(r#""a\u0041""#, "");
        assert_eq!(read(&without, nobody), Err(TokenError::Malformed));
        assert_eq!(read(&other, nobody), Err(TokenError::WrongIssuer));
        let unchecked = Expected { check_issuer: false, ..expected };
        assert_eq!(read(&other, unchecked), Ok(claims("alice")));
    }

    proptest! {
        #[test]
        fn the_quick_reading_says_what_the_strict_one_says(
            actor in "[ab\"\\\\é\n]{0,4}",
            middle in "(,\"jti\":\"[ -~é]{0,4}\"|,\"sub\":\"[ab]{0,2}\"|,\"exp\":(-?[0-9]{1,20}|null|1e3)|,\"iss\":\"(datahub-metadata-service|x)?\"|,\"nbf\":[0-9]{1,11}){0,4}",
            end in "\\}|\\} |,\\}|",
            flags in any::<(bool, bool, bool)>(),
        ) {
            let payload = format!(
                r#"{{"actorType":"USER","actorId":"{actor}","type":"PERSONAL","version":"2"{middle}{end}"#
            );
            let (check_issuer, check_subject, has_issuer) = flags;
            let issuer = expected().issuer.filter(|_| has_issuer);
            let _ = read(&payload, Expected { issuer, check_issuer, check_subject, ..expected() });
        }

        #[test]
        fn any_payload_is_read_the_same_both_ways(payload in "\\PC*|\\{[\\{\\}\\[\\]\":,a-b0-9 \\\\u]{0,40}\\}") {
            let _ = read(&payload, expected());
        }

        #[test]
        fn a_good_payload_with_one_byte_changed_is_read_the_same_both_ways(
            at in 0_usize..300,
            to in "[ -~]",
        ) {
            let mut payload = claims("alice").to_json(Some(ISSUER));
            let at = at % payload.len();
            payload.replace_range(at..=at, &to);
            let _ = read(&payload, expected());
        }
    }
}
