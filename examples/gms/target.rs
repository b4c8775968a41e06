//! What a request is about: the type, urn and aspect that its path names, judged once.

use axum::{extract::FromRequestParts, http::request::Parts};
use percent_encoding::percent_decode_str;
use tower_pat::actor::Urn;

use crate::{refused::Refused, registry::EntityType};

/// The type in `/openapi/v3/entity/{type}[...]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TypeTarget(pub(crate) &'static EntityType);

/// The entity, and maybe the aspect, in `/entities/{urn}`, `/entitiesV2/{urn}`, `/aspects/{urn}` and
/// `/openapi/v3/entity/{type}/{urn}[/{aspect}]`.
///
/// DataHub's client encodes a urn in a path completely, but for DELETE hardly at all. So what comes
/// behind the last slash as it was sent is an aspect if it looks like one and what is in front of it
/// is a urn; any other slash belongs to the urn. Everything is decoded once.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) entity_type: &'static EntityType,
    pub(crate) urn: Urn,
    pub(crate) aspect: Option<&'static str>,
}

impl Target {
    /// An entity, as a body names it.
    pub(crate) fn of(urn: &str) -> Result<Self, Refused> {
        let urn = self::urn(urn)?;
        Ok(Self { entity_type: type_of(urn.entity_type())?, urn, aspect: None })
    }

    /// One of its aspects.
    pub(crate) fn with_aspect(self, name: &str) -> Result<Self, Refused> {
        Ok(Self { aspect: Some(aspect_of(self.entity_type, name)?), ..self })
    }

    fn parse(path: &str) -> Result<Self, Refused> {
        if let Some(urn) = RESTLI.iter().find_map(|prefix| path.strip_prefix(prefix)) {
            return Self::of(&decode(urn)?);
        }
        let (entity_type, rest) = path
            .strip_prefix(ENTITY)
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(|| Refused::NotFound(path.to_owned()))?;
        let entity_type = type_of(&decode(entity_type)?)?;
        let (urn, aspect) = match rest.rsplit_once('/') {
            Some((front, aspect)) if is_name(aspect) && urn_of(front).is_ok() => {
                (urn_of(front)?, Some(aspect))
            }
            _ => (urn_of(rest)?, None),
        };
        agree(entity_type, &urn)?;
        let aspect = aspect.map(|aspect| aspect_of(entity_type, aspect)).transpose()?;
        Ok(Self { entity_type, urn, aspect })
    }
}

/// The entity type of this exact name.
pub(crate) fn type_of(name: &str) -> Result<&'static EntityType, Refused> {
    EntityType::find(name).ok_or_else(|| Refused::bad(format!("there is no entity type `{name}`")))
}

/// The aspect of this exact name.
pub(crate) fn aspect_of(
    entity_type: &'static EntityType,
    name: &str,
) -> Result<&'static str, Refused> {
    entity_type
        .aspect(name)
        .ok_or_else(|| Refused::bad(format!("a {} has no aspect `{name}`", entity_type.name)))
}

/// A urn must be of the type that the path speaks of, or who may do what would be asked of one and
/// done to the other.
pub(crate) fn agree(entity_type: &EntityType, urn: &Urn) -> Result<(), Refused> {
    if urn.entity_type() == entity_type.name {
        return Ok(());
    }
    Err(Refused::bad(format!("{urn} is not the urn of a {}", entity_type.name)))
}

/// A urn that can name an entity here: in DataHub's namespace, and with a key.
pub(crate) fn urn(text: &str) -> Result<Urn, Refused> {
    let urn: Urn = text.parse().map_err(|error| Refused::bad(format!("`{text}`: {error}")))?;
    if !text.starts_with("urn:li:") || urn.key().is_empty() {
        return Err(Refused::bad(format!("`{text}`: the urn of an entity is urn:li:<type>:<key>")));
    }
    Ok(urn)
}

fn urn_of(sent: &str) -> Result<Urn, Refused> {
    urn(&decode(sent)?)
}

fn decode(sent: &str) -> Result<String, Refused> {
    let text = percent_decode_str(sent).decode_utf8();
    Ok(text.map_err(|_| Refused::bad("the path is not UTF-8"))?.into_owned())
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|character| character.is_ascii_alphanumeric())
}

const RESTLI: [&str; 3] = ["/entities/", "/entitiesV2/", "/aspects/"];
const ENTITY: &str = "/openapi/v3/entity/";

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Self::parse(parts.uri.path())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TypeTarget {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let sent = parts.uri.path().strip_prefix(ENTITY).unwrap_or_default();
        let sent = sent.strip_suffix("/batchGet").unwrap_or(sent);
        Ok(Self(type_of(&decode(sent)?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str) -> Option<(String, Option<&'static str>)> {
        let target = Target::parse(&format!("/openapi/v3/entity/{path}")).ok()?;
        Some((target.urn.to_string(), target.aspect))
    }

    #[test]
    fn a_path_is_read_as_the_client_writes_it() {
        let orders = "urn:li:dataset:(urn:li:dataPlatform:s3,a/b c+%.x,PROD)";
        for (path, urn, aspect) in [
            (
                "dataset/urn%3Ali%3Adataset%3A%28urn%3Ali%3AdataPlatform%3As3%2Ca%2Fb%20c%2B%25.x%2CPROD%29",
                orders,
                None,
            ),
            ("dataset/urn:li:dataset:(urn:li:dataPlatform:s3,a/b%20c+%25.x,PROD)", orders, None),
            (
                "dataset/urn:li:dataset:(urn:li:dataPlatform:s3,a/b%20c+%25.x,PROD)/status",
                orders,
                Some("status"),
            ),
            ("tag/urn:li:tag:a%2Fstatus", "urn:li:tag:a/status", None),
            ("tag/urn:li:tag:a/status", "urn:li:tag:a", Some("status")),
            (
                "dataHubAccessToken/urn:li:dataHubAccessToken:ab+c/d=",
                "urn:li:dataHubAccessToken:ab+c/d=",
                None,
            ),
        ] {
            assert_eq!(parsed(path), Some((urn.to_owned(), aspect)), "{path}");
        }
    }

    #[test]
    fn what_is_not_exactly_one_is_refused() {
        for path in [
            "corpUser/urn:li:corpuser:a",
            "corpuser/urn:li:corpUser:a",
            "dataset/urn:li:corpuser:a",
            "corpuser/urn:foo:corpuser:a",
            "corpuser/urn:li:corpuser",
            "corpuser/urn:li:corpuser:a/rolemembership",
            "corpuser/urn:li:corpuser:a/datasetProperties",
            "corpuser/urn%253Ali%253Acorpuser%253Aa",
            "corpuser/%ff",
            "corpuser/",
        ] {
            assert_eq!(parsed(path), None, "{path}");
        }
    }
}
