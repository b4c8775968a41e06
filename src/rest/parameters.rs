use form_urlencoded::parse;

use super::token::bad_request;
use crate::rejection::Rejection;

/// The parameters of a question. Each is known and given once: one that is not understood must not
/// answer more than was asked for.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, Rejection> {
        let mut given: Vec<(String, String)> = Vec::new();
        for (name, value) in parse(text.as_bytes()) {
            if !known.contains(&&*name) {
                return Err(bad_request(format!("the parameters are: {}", known.join(", "))));
            }
            if given.iter().any(|(other, _)| *other == name) {
                return Err(bad_request(format!("{name} is given twice")));
            }
            given.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(given))
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str, default: u32) -> Result<u32, Rejection> {
        match self.value(name) {
            None => Ok(default),
            // `parse` alone takes a sign.
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text
                .parse()
                .map_err(|_| bad_request(format!("{name} is not a number up to {}", u32::MAX))),
            Some(_) => Err(bad_request(format!("{name} is not a number up to {}", u32::MAX))),
        }
    }
}
