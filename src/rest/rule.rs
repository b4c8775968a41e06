//! Revocation rules as JSON.

use serde::{Deserialize, Serialize};

use super::token::bad_request;
use crate::{
    actor::Urn,
    clock::Timestamp,
    rejection::Rejection,
    token::{RevocationRule, RuleScope},
    token_service,
};

/// What `POST /revocation-rules` is sent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewRule {
    scope: ScopeKind,
    subject: Option<String>,
    issued_before: Option<i64>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ScopeKind {
    Actor,
    Owner,
    Key,
    All,
}

impl NewRule {
    /// What it asks for.
    pub(super) fn scope(&self) -> Result<RuleScope, Rejection> {
        let urn = |text: &str| {
            text.parse::<Urn>()
                .map_err(|error| bad_request(format!("subject is not a urn: {error}")))
        };
        match (self.scope, self.subject.as_deref()) {
            (ScopeKind::Actor, Some(text)) => Ok(RuleScope::Actor(urn(text)?)),
            (ScopeKind::Owner, Some(text)) => Ok(RuleScope::Owner(urn(text)?)),
            (ScopeKind::Key, Some(text)) => match text.parse() {
                Ok(id) => Ok(RuleScope::Key(id)),
                Err(error) => Err(bad_request(format!("subject: {error}"))),
            },
            (ScopeKind::All, None) => Ok(RuleScope::All),
            (ScopeKind::All, Some(_)) => Err(bad_request("a rule for ALL has no subject")),
            (_, None) => Err(bad_request("subject says which actor, owner or key")),
        }
    }

    pub(super) fn issued_before(&self) -> Option<Timestamp> {
        self.issued_before.map(Timestamp::from_millis)
    }
}

/// A rule.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule<'a> {
    scope: ScopeKind,
    subject: Option<String>,
    issued_before: i64,
    made_by_urn: &'a Urn,
}

impl<'a> Rule<'a> {
    pub(super) fn new(rule: &'a RevocationRule) -> Self {
        let (scope, subject) = match &rule.scope {
            RuleScope::Actor(urn) => (ScopeKind::Actor, Some(urn.to_string())),
            RuleScope::Owner(urn) => (ScopeKind::Owner, Some(urn.to_string())),
            RuleScope::Key(id) => (ScopeKind::Key, Some(id.to_string())),
            RuleScope::All => (ScopeKind::All, None),
        };
        let issued_before = rule.issued_before.as_millis();
        Self { scope, subject, issued_before, made_by_urn: &rule.by }
    }
}

/// What `GET /revocation-rules` answers.
#[derive(Serialize)]
pub(super) struct RulePage<'a> {
    start: u32,
    count: u32,
    total: u64,
    rules: Vec<Rule<'a>>,
}

impl<'a> RulePage<'a> {
    pub(super) fn new(start: u32, count: u32, page: &'a token_service::RulePage) -> Self {
        let rules = page.rules.iter().map(Rule::new).collect();
        Self { start, count, total: page.total, rules }
    }
}

/// What may be asked of `GET /revocation-rules`.
pub(super) const PARAMETERS: [&str; 2] = ["start", "count"];
