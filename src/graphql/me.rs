use async_graphql::{Context, Object, Result, SimpleObject};

use super::user::CorpUser;
use crate::access::{self, Access, Caller};

/// Queries about who asks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MeQueries;

#[Object]
impl MeQueries {
    /// Who asks.
    async fn me(&self, ctx: &Context<'_>) -> Result<Option<AuthenticatedUser>> {
        let caller = ctx.data::<Caller>()?;
        let granted = ctx.data::<Access>()?.platform_privileges(caller);
        Ok(caller.urn().map(|urn| AuthenticatedUser {
            corp_user: CorpUser::of(urn.clone()),
            platform_privileges: granted.into(),
        }))
    }
}

/// Who asks.
#[derive(SimpleObject)]
pub(super) struct AuthenticatedUser {
    /// The user.
    corp_user: CorpUser,
    /// What the user may do without regard to a resource.
    platform_privileges: PlatformPrivileges,
}

macro_rules! platform_privileges {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// What a user may do without regard to a resource.
        #[derive(SimpleObject)]
        pub(super) struct PlatformPrivileges {
            $($(#[$doc])* $field: bool,)*
        }

        impl From<access::PlatformPrivileges> for PlatformPrivileges {
            fn from(granted: access::PlatformPrivileges) -> Self {
                Self { $($field: granted.$field,)* }
            }
        }
    };
}

platform_privileges! {
    /// See analytics.
    view_analytics,
    /// Manage policies, and so grant anything to anybody.
    manage_policies,
    /// Manage users and groups.
    manage_identities,
    /// Make tokens that act as themselves.
    generate_personal_access_tokens,
    /// Make domains.
    create_domains,
    /// Manage domains.
    manage_domains,
    /// Manage ingestion.
    manage_ingestion,
    /// Manage secrets.
    manage_secrets,
    /// Make, list and revoke tokens of anybody, and so act as anybody.
    manage_tokens,
    /// See tests.
    view_tests,
    /// Manage tests.
    manage_tests,
    /// Manage glossaries.
    manage_glossaries,
    /// Manage documents.
    manage_documents,
    /// Manage the credentials of users.
    manage_user_credentials,
    /// Make tags.
    create_tags,
    /// Manage tags.
    manage_tags,
    /// See the page on which tags are managed.
    view_manage_tags,
    /// Make logical models.
    create_logical_models,
    /// Manage the views of everybody.
    manage_global_views,
    /// Manage the settings of everybody.
    manage_global_settings,
    /// Manage types of ownership.
    manage_ownership_types,
    /// Manage the announcements on the home page.
    manage_global_announcements,
    /// Make business attributes.
    create_business_attributes,
    /// Manage business attributes.
    manage_business_attributes,
    /// Manage structured properties.
    manage_structured_properties,
    /// See the page on which structured properties are managed.
    view_structured_properties_page,
    /// Manage applications.
    manage_applications,
    /// Manage features.
    manage_features,
    /// Manage the templates of home pages.
    manage_home_page_templates,
    /// Manage service accounts and their tokens.
    manage_service_accounts,
}
