use super::{
    Access, Caller,
    permission::{is_granted, manages_policies, manages_users},
};
use crate::policy::{Operation, OperationGroup, Privilege, requirement};

/// What somebody may do without regard to an entity, as pages ask for it (DataHub:
/// `me { platformPrivileges }`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
#[non_exhaustive]
pub struct PlatformPrivileges {
    /// Look at the analytics dashboard.
    pub view_analytics: bool,
    /// Write any access policy.
    pub manage_policies: bool,
    /// Keep users and groups.
    pub manage_identities: bool,
    /// Make tokens for oneself.
    pub generate_personal_access_tokens: bool,
    /// Make, list and revoke tokens of anybody.
    pub manage_tokens: bool,
    /// Add new domains.
    pub create_domains: bool,
    /// Keep domains.
    pub manage_domains: bool,
    /// Add new tags.
    pub create_tags: bool,
    /// Keep tags.
    pub manage_tags: bool,
    /// Look at the tag administration page.
    pub view_manage_tags: bool,
    /// Keep ingestion sources.
    pub manage_ingestion: bool,
    /// Keep stored secrets.
    pub manage_secrets: bool,
    /// Look at asset tests.
    pub view_tests: bool,
    /// Keep asset tests.
    pub manage_tests: bool,
    /// Keep glossary terms and groups.
    pub manage_glossaries: bool,
    /// Keep documents.
    pub manage_documents: bool,
    /// Invite native users and reset passwords.
    pub manage_user_credentials: bool,
    /// Add new logical models.
    pub create_logical_models: bool,
    /// Keep shared views.
    pub manage_global_views: bool,
    /// Change platform settings.
    pub manage_global_settings: bool,
    /// Keep ownership types.
    pub manage_ownership_types: bool,
    /// Put up and take down posts on the home page.
    pub manage_global_announcements: bool,
    /// Add new business attributes.
    pub create_business_attributes: bool,
    /// Keep business attributes.
    pub manage_business_attributes: bool,
    /// Keep structured properties.
    pub manage_structured_properties: bool,
    /// Look at the structured-properties page.
    pub view_structured_properties_page: bool,
    /// Administer features as a whole.
    pub manage_features: bool,
    /// Keep the default home page template.
    pub manage_home_page_templates: bool,
    /// Keep service accounts and make their tokens.
    pub manage_service_accounts: bool,
    /// Keep applications.
    pub manage_applications: bool,
}

/// What pages show.
impl Access {
    /// What the caller may do without regard to an entity; nobody may do anything. Decides at once.
    #[must_use]
    pub fn platform_privileges(&self, caller: &Caller) -> PlatformPrivileges {
        let Some(auth) = caller.authentication() else { return PlatformPrivileges::default() };
        let holds = |any: &[Privilege]| any.iter().any(|one| auth.privileges().holds(one));
        let manages = |entity_type| is_granted(auth, Operation::Manage, entity_type);
        let analytics = requirement(OperationGroup::Analytics, Operation::Read, None);
        PlatformPrivileges {
            view_analytics: auth.privileges().decide(analytics, None, &[]).is_granted(),
            manage_policies: manages_policies(auth),
            manage_identities: manages_users(auth),
            generate_personal_access_tokens: holds(&[Privilege::GENERATE_PERSONAL_ACCESS_TOKENS]),
            manage_tokens: holds(&[Privilege::MANAGE_ACCESS_TOKENS]),
            create_domains: holds(&[Privilege::CREATE_DOMAINS, Privilege::MANAGE_DOMAINS]),
            manage_domains: holds(&[Privilege::MANAGE_DOMAINS]),
            create_tags: holds(&[Privilege::CREATE_TAGS, Privilege::MANAGE_TAGS]),
            manage_tags: holds(&[Privilege::MANAGE_TAGS]),
            view_manage_tags: holds(&[Privilege::VIEW_MANAGE_TAGS]),
            manage_ingestion: manages("dataHubIngestionSource"),
            manage_secrets: manages("dataHubSecret"),
            view_tests: holds(&[Privilege::VIEW_TESTS]),
            manage_tests: holds(&[Privilege::MANAGE_TESTS]),
            manage_glossaries: holds(&[Privilege::MANAGE_GLOSSARIES]),
            manage_documents: holds(&[Privilege::MANAGE_DOCUMENTS]),
            manage_user_credentials: holds(&[Privilege::MANAGE_USER_CREDENTIALS]),
            create_logical_models: holds(&[Privilege::CREATE_LOGICAL_MODELS]),
            manage_global_views: holds(&[Privilege::MANAGE_GLOBAL_VIEWS]),
            manage_global_settings: holds(&[Privilege::MANAGE_GLOBAL_SETTINGS]),
            manage_ownership_types: holds(&[Privilege::MANAGE_GLOBAL_OWNERSHIP_TYPES]),
            manage_global_announcements: holds(&[Privilege::MANAGE_GLOBAL_ANNOUNCEMENTS]),
            create_business_attributes: holds(&[
                Privilege::CREATE_BUSINESS_ATTRIBUTE,
                Privilege::MANAGE_BUSINESS_ATTRIBUTE,
            ]),
            manage_business_attributes: holds(&[Privilege::MANAGE_BUSINESS_ATTRIBUTE]),
            manage_structured_properties: manages("structuredProperty"),
            view_structured_properties_page: holds(&[Privilege::VIEW_STRUCTURED_PROPERTIES_PAGE]),
            manage_features: holds(&[Privilege::MANAGE_FEATURES]),
            manage_home_page_templates: holds(&[Privilege::MANAGE_HOME_PAGE_TEMPLATES]),
            manage_service_accounts: holds(&[Privilege::MANAGE_SERVICE_ACCOUNTS]),
            manage_applications: manages("application"),
        }
    }
}
