use super::{Access, AccessError, Caller, input, permission::Operation};
use crate::{actor::Urn, policy::default_roles};

/// A role that can be assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Role {
    /// Its urn, such as `urn:li:dataHubRole:Admin`.
    pub urn: Urn,
    /// Its name.
    pub name: String,
    /// What the default policies give who holds it.
    pub description: String,
}

/// Which roles to list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleQuery {
    /// Those with this text somewhere in their name; the letters of ASCII in either case. Default
    /// all.
    pub text: Option<String>,
    /// How many to skip. Default 0.
    pub start: u32,
    /// How many to return at most. Default 20, at most 1,000.
    pub count: u32,
}

impl Default for RoleQuery {
    fn default() -> Self {
        Self { text: None, start: 0, count: 20 }
    }
}

impl RoleQuery {
    /// Sets the text that is looked for.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The page of `count` roles behind the first `start`.
    #[must_use]
    pub fn page(mut self, start: u32, count: u32) -> Self {
        self.start = start;
        self.count = count;
        self
    }
}

/// A page of a list of roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolePage {
    /// The roles of this page, in the order of the texts of their urns.
    pub roles: Vec<Role>,
    /// How many there are on all pages.
    pub total: u64,
}

/// Roles: DataHub's default ones.
impl Access {
    /// One page of the roles, for everybody who is authenticated.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub async fn list_roles(
        &self,
        caller: &Caller,
        query: &RoleQuery,
    ) -> Result<RolePage, AccessError> {
        self.parts().permit(caller, Operation::ListRoles).await?;
        input::page(query.start, query.count)?;
        let mut roles = all();
        if let Some(text) = &query.text {
            let text = text.to_ascii_lowercase();
            roles.retain(|role| role.name.to_ascii_lowercase().contains(&text));
        }
        let total = roles.len() as u64;
        let page = roles.into_iter().skip(query.start as usize).take(query.count as usize);
        Ok(RolePage { roles: page.collect(), total })
    }
}

/// The roles there are.
pub(super) fn all() -> Vec<Role> {
    let role = |urn: Urn| {
        let name = urn.key().to_owned();
        let description = description(&name).to_owned();
        Role { urn, name, description }
    };
    let mut roles: Vec<_> = default_roles().into_iter().map(role).collect();
    roles.sort_unstable_by(|one, other| one.urn.cmp(&other.urn));
    roles
}

fn description(name: &str) -> &'static str {
    match name {
        "Admin" => "Administers the platform, and changes all metadata.",
        "Editor" => "Reads and changes metadata, without administering the platform.",
        "Reader" => "Reads metadata, and changes none.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_says_what_it_is() {
        let roles = all();
        assert_eq!(roles.len(), 3);
        assert!(roles.iter().all(|role| !role.description.is_empty() && !role.name.is_empty()));
    }
}
