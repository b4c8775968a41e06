use std::borrow::Cow;

use super::Privilege;

/// The privileges that DataHub defines, by their ids there (`PoliciesConfig`).
///
/// Those said to be *platform* are asked for without a resource, *resource* ones about one. Neither
/// the ids nor the decisions show a difference.
impl Privilege {
    /// Write any access policy, and so grant anything to anybody (platform).
    pub const MANAGE_POLICIES: Self = Self(Cow::Borrowed("MANAGE_POLICIES"));
    /// Everything about users and groups, removing them included (platform).
    pub const MANAGE_USERS_AND_GROUPS: Self = Self(Cow::Borrowed("MANAGE_USERS_AND_GROUPS"));
    /// Create users and groups (platform).
    pub const CREATE_USERS_AND_GROUPS: Self = Self(Cow::Borrowed("CREATE_USERS_AND_GROUPS"));
    /// Update users and groups (platform).
    pub const UPDATE_USERS_AND_GROUPS: Self = Self(Cow::Borrowed("UPDATE_USERS_AND_GROUPS"));
    /// Create users (platform).
    pub const CREATE_USERS: Self = Self(Cow::Borrowed("CREATE_USERS"));
    /// Update users (platform).
    pub const UPDATE_USERS: Self = Self(Cow::Borrowed("UPDATE_USERS"));
    /// Create groups (platform).
    pub const CREATE_GROUPS: Self = Self(Cow::Borrowed("CREATE_GROUPS"));
    /// Update groups (platform).
    pub const UPDATE_GROUPS: Self = Self(Cow::Borrowed("UPDATE_GROUPS"));
    /// Look at the analytics dashboard (platform).
    pub const VIEW_ANALYTICS: Self = Self(Cow::Borrowed("VIEW_ANALYTICS"));
    /// Read analytics by the API (platform).
    pub const GET_ANALYTICS_PRIVILEGE: Self = Self(Cow::Borrowed("GET_ANALYTICS_PRIVILEGE"));
    /// Create and remove domains (platform).
    pub const MANAGE_DOMAINS: Self = Self(Cow::Borrowed("MANAGE_DOMAINS"));
    /// Put up and take down posts on the home page (platform).
    pub const MANAGE_GLOBAL_ANNOUNCEMENTS: Self =
        Self(Cow::Borrowed("MANAGE_GLOBAL_ANNOUNCEMENTS"));
    /// Keep ingestion sources (platform).
    pub const MANAGE_INGESTION: Self = Self(Cow::Borrowed("MANAGE_INGESTION"));
    /// Keep stored secrets (platform).
    pub const MANAGE_SECRETS: Self = Self(Cow::Borrowed("MANAGE_SECRETS"));
    /// Make tokens for oneself, and list and revoke these (platform).
    pub const GENERATE_PERSONAL_ACCESS_TOKENS: Self =
        Self(Cow::Borrowed("GENERATE_PERSONAL_ACCESS_TOKENS"));
    /// Make, list and revoke tokens of anybody, and so act as anybody (platform).
    pub const MANAGE_ACCESS_TOKENS: Self = Self(Cow::Borrowed("MANAGE_ACCESS_TOKENS"));
    /// Keep service accounts and make their tokens (platform).
    pub const MANAGE_SERVICE_ACCOUNTS: Self = Self(Cow::Borrowed("MANAGE_SERVICE_ACCOUNTS"));
    /// Look at asset tests (platform).
    pub const VIEW_TESTS: Self = Self(Cow::Borrowed("VIEW_TESTS"));
    /// Create and remove asset tests (platform).
    pub const MANAGE_TESTS: Self = Self(Cow::Borrowed("MANAGE_TESTS"));
    /// Keep glossary terms and groups (platform).
    pub const MANAGE_GLOSSARIES: Self = Self(Cow::Borrowed("MANAGE_GLOSSARIES"));
    /// Invite native users and reset passwords (platform).
    pub const MANAGE_USER_CREDENTIALS: Self = Self(Cow::Borrowed("MANAGE_USER_CREDENTIALS"));
    /// Create and remove tags (platform).
    pub const MANAGE_TAGS: Self = Self(Cow::Borrowed("MANAGE_TAGS"));
    /// Look at the tag administration page (platform).
    pub const VIEW_MANAGE_TAGS: Self = Self(Cow::Borrowed("VIEW_MANAGE_TAGS"));
    /// Add new tags (platform).
    pub const CREATE_TAGS: Self = Self(Cow::Borrowed("CREATE_TAGS"));
    /// Add new domains (platform).
    pub const CREATE_DOMAINS: Self = Self(Cow::Borrowed("CREATE_DOMAINS"));
    /// Add new logical models (platform).
    pub const CREATE_LOGICAL_MODELS: Self = Self(Cow::Borrowed("CREATE_LOGICAL_MODELS"));
    /// Put up posts on the home page (platform).
    pub const CREATE_GLOBAL_ANNOUNCEMENTS: Self =
        Self(Cow::Borrowed("CREATE_GLOBAL_ANNOUNCEMENTS"));
    /// Keep shared views (platform).
    pub const MANAGE_GLOBAL_VIEWS: Self = Self(Cow::Borrowed("MANAGE_GLOBAL_VIEWS"));
    /// Keep ownership types (platform).
    pub const MANAGE_GLOBAL_OWNERSHIP_TYPES: Self =
        Self(Cow::Borrowed("MANAGE_GLOBAL_OWNERSHIP_TYPES"));
    /// Look at and change platform settings (platform).
    pub const MANAGE_GLOBAL_SETTINGS: Self = Self(Cow::Borrowed("MANAGE_GLOBAL_SETTINGS"));
    /// Add new business attributes (platform).
    pub const CREATE_BUSINESS_ATTRIBUTE: Self = Self(Cow::Borrowed("CREATE_BUSINESS_ATTRIBUTE"));
    /// Keep business attributes (platform).
    pub const MANAGE_BUSINESS_ATTRIBUTE: Self = Self(Cow::Borrowed("MANAGE_BUSINESS_ATTRIBUTE"));
    /// Keep connections to external platforms (platform).
    pub const MANAGE_CONNECTIONS: Self = Self(Cow::Borrowed("MANAGE_CONNECTIONS"));
    /// Keep structured properties (platform).
    pub const MANAGE_STRUCTURED_PROPERTIES: Self =
        Self(Cow::Borrowed("MANAGE_STRUCTURED_PROPERTIES"));
    /// Keep documents, that is knowledge articles, on all or on one (platform).
    pub const MANAGE_DOCUMENTS: Self = Self(Cow::Borrowed("MANAGE_DOCUMENTS"));
    /// Look at the structured-properties page (platform).
    pub const VIEW_STRUCTURED_PROPERTIES_PAGE: Self =
        Self(Cow::Borrowed("VIEW_STRUCTURED_PROPERTIES_PAGE"));
    /// Keep documentation forms (platform).
    pub const MANAGE_DOCUMENTATION_FORMS: Self = Self(Cow::Borrowed("MANAGE_DOCUMENTATION_FORMS"));
    /// Stands for the administration of features as a whole (platform).
    pub const MANAGE_FEATURES: Self = Self(Cow::Borrowed("MANAGE_FEATURES"));
    /// Any system or operations API; most endpoints take it in place of their own (platform).
    pub const MANAGE_SYSTEM_OPERATIONS: Self = Self(Cow::Borrowed("MANAGE_SYSTEM_OPERATIONS"));
    /// Read platform events by the events API (platform).
    pub const GET_PLATFORM_EVENTS: Self = Self(Cow::Borrowed("GET_PLATFORM_EVENTS"));
    /// Read change-log events by the events API (platform).
    pub const GET_METADATA_CHANGE_LOG_EVENTS: Self =
        Self(Cow::Borrowed("GET_METADATA_CHANGE_LOG_EVENTS"));
    /// Keep the default home page template (platform).
    pub const MANAGE_HOME_PAGE_TEMPLATES: Self = Self(Cow::Borrowed("MANAGE_HOME_PAGE_TEMPLATES"));
    /// Read whatever topic by the events API (platform).
    pub const GET_TOPIC_EVENTS: Self = Self(Cow::Borrowed("GET_TOPIC_EVENTS"));
    /// Read the entity (resource).
    pub const VIEW_ENTITY_PAGE: Self = Self(Cow::Borrowed("VIEW_ENTITY_PAGE"));
    /// Learn whether the entity is there (resource).
    pub const EXISTS_ENTITY: Self = Self(Cow::Borrowed("EXISTS_ENTITY"));
    /// Run the entity, such as an ingestion source (resource).
    pub const EXECUTE_ENTITY: Self = Self(Cow::Borrowed("EXECUTE_ENTITY"));
    /// Create the entity where there is none of its urn (resource).
    pub const CREATE_ENTITY: Self = Self(Cow::Borrowed("CREATE_ENTITY"));
    /// Change tags (resource).
    pub const EDIT_ENTITY_TAGS: Self = Self(Cow::Borrowed("EDIT_ENTITY_TAGS"));
    /// Change glossary terms (resource).
    pub const EDIT_ENTITY_GLOSSARY_TERMS: Self = Self(Cow::Borrowed("EDIT_ENTITY_GLOSSARY_TERMS"));
    /// Change owners (resource).
    pub const EDIT_ENTITY_OWNERS: Self = Self(Cow::Borrowed("EDIT_ENTITY_OWNERS"));
    /// Change documentation (resource).
    pub const EDIT_ENTITY_DOCS: Self = Self(Cow::Borrowed("EDIT_ENTITY_DOCS"));
    /// Change links (resource).
    pub const EDIT_ENTITY_DOC_LINKS: Self = Self(Cow::Borrowed("EDIT_ENTITY_DOC_LINKS"));
    /// Soft-delete the entity, or bring it back (resource).
    pub const EDIT_ENTITY_STATUS: Self = Self(Cow::Borrowed("EDIT_ENTITY_STATUS"));
    /// Update the domain of an entity (resource).
    pub const EDIT_DOMAINS_PRIVILEGE: Self = Self(Cow::Borrowed("EDIT_DOMAINS_PRIVILEGE"));
    /// Update the applications of an entity (resource).
    pub const EDIT_ENTITY_APPLICATIONS_PRIVILEGE: Self =
        Self(Cow::Borrowed("EDIT_ENTITY_APPLICATIONS_PRIVILEGE"));
    /// Put the asset into data products, or take it out (resource).
    pub const EDIT_ENTITY_DATA_PRODUCTS: Self = Self(Cow::Borrowed("EDIT_ENTITY_DATA_PRODUCTS"));
    /// Update deprecation (resource).
    pub const EDIT_DEPRECATION_PRIVILEGE: Self = Self(Cow::Borrowed("EDIT_DEPRECATION_PRIVILEGE"));
    /// Change assertions (resource).
    pub const EDIT_ENTITY_ASSERTIONS: Self = Self(Cow::Borrowed("EDIT_ENTITY_ASSERTIONS"));
    /// Report operations that ran on the entity (resource).
    pub const EDIT_ENTITY_OPERATIONS: Self = Self(Cow::Borrowed("EDIT_ENTITY_OPERATIONS"));
    /// Raise incidents of the entity and resolve them (resource).
    pub const EDIT_ENTITY_INCIDENTS: Self = Self(Cow::Borrowed("EDIT_ENTITY_INCIDENTS"));
    /// Change whatever belongs to the entity (resource).
    pub const EDIT_ENTITY: Self = Self(Cow::Borrowed("EDIT_ENTITY"));
    /// Remove the entity (resource).
    pub const DELETE_ENTITY: Self = Self(Cow::Borrowed("DELETE_ENTITY"));
    /// Change lineage edges (resource).
    pub const EDIT_LINEAGE: Self = Self(Cow::Borrowed("EDIT_LINEAGE"));
    /// Change embedded content (resource).
    pub const EDIT_ENTITY_EMBED: Self = Self(Cow::Borrowed("EDIT_ENTITY_EMBED"));
    /// Change properties (resource).
    pub const EDIT_ENTITY_PROPERTIES: Self = Self(Cow::Borrowed("EDIT_ENTITY_PROPERTIES"));
    /// Relate a dataset to another in an ER model (resource).
    pub const CREATE_ENTITY_ER_MODEL_RELATIONSHIP: Self =
        Self(Cow::Borrowed("CREATE_ENTITY_ER_MODEL_RELATIONSHIP"));
    /// Keep the summary tab of an asset (resource).
    pub const MANAGE_ASSET_SUMMARY: Self = Self(Cow::Borrowed("MANAGE_ASSET_SUMMARY"));
    /// Change tags of dataset columns (resource).
    pub const EDIT_DATASET_COL_TAGS: Self = Self(Cow::Borrowed("EDIT_DATASET_COL_TAGS"));
    /// Change glossary terms of dataset columns (resource).
    pub const EDIT_DATASET_COL_GLOSSARY_TERMS: Self =
        Self(Cow::Borrowed("EDIT_DATASET_COL_GLOSSARY_TERMS"));
    /// Change descriptions of dataset columns (resource).
    pub const EDIT_DATASET_COL_DESCRIPTION: Self =
        Self(Cow::Borrowed("EDIT_DATASET_COL_DESCRIPTION"));
    /// Look at usage statistics and queries of a dataset (resource).
    pub const VIEW_DATASET_USAGE: Self = Self(Cow::Borrowed("VIEW_DATASET_USAGE"));
    /// Look at profile statistics of a dataset (resource).
    pub const VIEW_DATASET_PROFILE: Self = Self(Cow::Borrowed("VIEW_DATASET_PROFILE"));
    /// Look at the operations on a dataset (resource).
    pub const VIEW_DATASET_OPERATIONS: Self = Self(Cow::Borrowed("VIEW_DATASET_OPERATIONS"));
    /// Change the queries linked to a dataset (resource).
    pub const EDIT_ENTITY_QUERIES: Self = Self(Cow::Borrowed("EDIT_ENTITY_QUERIES"));
    /// Change the data contract (resource).
    pub const EDIT_ENTITY_DATA_CONTRACT: Self = Self(Cow::Borrowed("EDIT_ENTITY_DATA_CONTRACT"));
    /// Look at table data through the Iceberg catalog (resource).
    pub const DATA_READ_ONLY: Self = Self(Cow::Borrowed("DATA_READ_ONLY"));
    /// Look at and write table data through the Iceberg catalog (resource).
    pub const DATA_READ_WRITE: Self = Self(Cow::Borrowed("DATA_READ_WRITE"));
    /// Add new and drop Iceberg tables (resource).
    pub const DATA_MANAGE_TABLES: Self = Self(Cow::Borrowed("DATA_MANAGE_TABLES"));
    /// Add new and drop Iceberg views (resource).
    pub const DATA_MANAGE_VIEWS: Self = Self(Cow::Borrowed("DATA_MANAGE_VIEWS"));
    /// Add new and drop Iceberg namespaces (resource).
    pub const DATA_MANAGE_NAMESPACES: Self = Self(Cow::Borrowed("DATA_MANAGE_NAMESPACES"));
    /// List Iceberg tables, views, namespaces (resource).
    pub const DATA_LIST_ENTITIES: Self = Self(Cow::Borrowed("DATA_LIST_ENTITIES"));
    /// Update the colour of a tag (resource).
    pub const EDIT_TAG_COLOR: Self = Self(Cow::Borrowed("EDIT_TAG_COLOR"));
    /// Change members of a group (resource).
    pub const EDIT_GROUP_MEMBERS: Self = Self(Cow::Borrowed("EDIT_GROUP_MEMBERS"));
    /// Change a user's profile (resource).
    pub const EDIT_USER_PROFILE: Self = Self(Cow::Borrowed("EDIT_USER_PROFILE"));
    /// Change contact details of a user or group (resource).
    pub const EDIT_CONTACT_INFO: Self = Self(Cow::Borrowed("EDIT_CONTACT_INFO"));
    /// Keep what lies directly below a glossary node (resource).
    pub const MANAGE_GLOSSARY_CHILDREN: Self = Self(Cow::Borrowed("MANAGE_GLOSSARY_CHILDREN"));
    /// Keep what lies below a glossary node, at any depth (resource).
    pub const MANAGE_ALL_GLOSSARY_CHILDREN: Self =
        Self(Cow::Borrowed("MANAGE_ALL_GLOSSARY_CHILDREN"));
    /// Ask the timeline API (resource, REST only).
    pub const GET_TIMELINE_PRIVILEGE: Self = Self(Cow::Borrowed("GET_TIMELINE_PRIVILEGE"));
    /// Read entities and relationships by the APIs (resource, REST only).
    pub const GET_ENTITY_PRIVILEGE: Self = Self(Cow::Borrowed("GET_ENTITY_PRIVILEGE"));
    /// Read timeseries aspects by the API (resource, REST only).
    pub const GET_TIMESERIES_ASPECT_PRIVILEGE: Self =
        Self(Cow::Borrowed("GET_TIMESERIES_ASPECT_PRIVILEGE"));
    /// Count aspects and entities by the APIs (platform, REST only).
    pub const GET_COUNTS_PRIVILEGE: Self = Self(Cow::Borrowed("GET_COUNTS_PRIVILEGE"));
    /// Have the search indices rebuilt (platform, REST only).
    pub const RESTORE_INDICES_PRIVILEGE: Self = Self(Cow::Borrowed("RESTORE_INDICES_PRIVILEGE"));
    /// Ask for the sizes of timeseries indices (platform, REST only).
    pub const GET_TIMESERIES_INDEX_SIZES_PRIVILEGE: Self =
        Self(Cow::Borrowed("GET_TIMESERIES_INDEX_SIZES_PRIVILEGE"));
    /// Truncate timeseries indices (platform, REST only).
    pub const TRUNCATE_TIMESERIES_INDEX_PRIVILEGE: Self =
        Self(Cow::Borrowed("TRUNCATE_TIMESERIES_INDEX_PRIVILEGE"));
    /// Ask how far a task of the search engine is (platform, REST only).
    pub const GET_ES_TASK_STATUS_PRIVILEGE: Self =
        Self(Cow::Borrowed("GET_ES_TASK_STATUS_PRIVILEGE"));
    /// Have the search engine explain a query (platform, REST only).
    pub const ES_EXPLAIN_QUERY_PRIVILEGE: Self = Self(Cow::Borrowed("ES_EXPLAIN_QUERY_PRIVILEGE"));
    /// Ask the search APIs; deprecated in DataHub, and still good for EXISTS (resource, REST only).
    pub const SEARCH_PRIVILEGE: Self = Self(Cow::Borrowed("SEARCH_PRIVILEGE"));
    /// Turn writing off and on (platform, REST only).
    pub const SET_WRITEABLE_PRIVILEGE: Self = Self(Cow::Borrowed("SET_WRITEABLE_PRIVILEGE"));
    /// Have retention applied (platform, REST only).
    pub const APPLY_RETENTION_PRIVILEGE: Self = Self(Cow::Borrowed("APPLY_RETENTION_PRIVILEGE"));
    /// Emit platform events (platform, REST only).
    pub const PRODUCE_PLATFORM_EVENT_PRIVILEGE: Self =
        Self(Cow::Borrowed("PRODUCE_PLATFORM_EVENT_PRIVILEGE"));
    /// Change the business attribute of dataset columns (resource).
    pub const EDIT_DATASET_COL_BUSINESS_ATTRIBUTE_PRIVILEGE: Self =
        Self(Cow::Borrowed("EDIT_DATASET_COL_BUSINESS_ATTRIBUTE_PRIVILEGE"));
    /// Keep the data products of a domain (resource).
    pub const MANAGE_DATA_PRODUCTS: Self = Self(Cow::Borrowed("MANAGE_DATA_PRODUCTS"));
}

impl Privilege {
    /// Every privilege above, in DataHub's order: for pickers, and for telling an id of one's own
    /// from a misspelt one. A decision takes any id.
    pub const KNOWN: &[Self] = &[
        Self::MANAGE_POLICIES,
        Self::MANAGE_USERS_AND_GROUPS,
        Self::CREATE_USERS_AND_GROUPS,
        Self::UPDATE_USERS_AND_GROUPS,
        Self::CREATE_USERS,
        Self::UPDATE_USERS,
        Self::CREATE_GROUPS,
        Self::UPDATE_GROUPS,
        Self::VIEW_ANALYTICS,
        Self::GET_ANALYTICS_PRIVILEGE,
        Self::MANAGE_DOMAINS,
        Self::MANAGE_GLOBAL_ANNOUNCEMENTS,
        Self::MANAGE_INGESTION,
        Self::MANAGE_SECRETS,
        Self::GENERATE_PERSONAL_ACCESS_TOKENS,
        Self::MANAGE_ACCESS_TOKENS,
        Self::MANAGE_SERVICE_ACCOUNTS,
        Self::VIEW_TESTS,
        Self::MANAGE_TESTS,
        Self::MANAGE_GLOSSARIES,
        Self::MANAGE_USER_CREDENTIALS,
        Self::MANAGE_TAGS,
        Self::VIEW_MANAGE_TAGS,
        Self::CREATE_TAGS,
        Self::CREATE_DOMAINS,
        Self::CREATE_LOGICAL_MODELS,
        Self::CREATE_GLOBAL_ANNOUNCEMENTS,
        Self::MANAGE_GLOBAL_VIEWS,
        Self::MANAGE_GLOBAL_OWNERSHIP_TYPES,
        Self::MANAGE_GLOBAL_SETTINGS,
        Self::CREATE_BUSINESS_ATTRIBUTE,
        Self::MANAGE_BUSINESS_ATTRIBUTE,
        Self::MANAGE_CONNECTIONS,
        Self::MANAGE_STRUCTURED_PROPERTIES,
        Self::MANAGE_DOCUMENTS,
        Self::VIEW_STRUCTURED_PROPERTIES_PAGE,
        Self::MANAGE_DOCUMENTATION_FORMS,
        Self::MANAGE_FEATURES,
        Self::MANAGE_SYSTEM_OPERATIONS,
        Self::GET_PLATFORM_EVENTS,
        Self::GET_METADATA_CHANGE_LOG_EVENTS,
        Self::MANAGE_HOME_PAGE_TEMPLATES,
        Self::GET_TOPIC_EVENTS,
        Self::VIEW_ENTITY_PAGE,
        Self::EXISTS_ENTITY,
        Self::EXECUTE_ENTITY,
        Self::CREATE_ENTITY,
        Self::EDIT_ENTITY_TAGS,
        Self::EDIT_ENTITY_GLOSSARY_TERMS,
        Self::EDIT_ENTITY_OWNERS,
        Self::EDIT_ENTITY_DOCS,
        Self::EDIT_ENTITY_DOC_LINKS,
        Self::EDIT_ENTITY_STATUS,
        Self::EDIT_DOMAINS_PRIVILEGE,
        Self::EDIT_ENTITY_APPLICATIONS_PRIVILEGE,
        Self::EDIT_ENTITY_DATA_PRODUCTS,
        Self::EDIT_DEPRECATION_PRIVILEGE,
        Self::EDIT_ENTITY_ASSERTIONS,
        Self::EDIT_ENTITY_OPERATIONS,
        Self::EDIT_ENTITY_INCIDENTS,
        Self::EDIT_ENTITY,
        Self::DELETE_ENTITY,
        Self::EDIT_LINEAGE,
        Self::EDIT_ENTITY_EMBED,
        Self::EDIT_ENTITY_PROPERTIES,
        Self::CREATE_ENTITY_ER_MODEL_RELATIONSHIP,
        Self::MANAGE_ASSET_SUMMARY,
        Self::EDIT_DATASET_COL_TAGS,
        Self::EDIT_DATASET_COL_GLOSSARY_TERMS,
        Self::EDIT_DATASET_COL_DESCRIPTION,
        Self::VIEW_DATASET_USAGE,
        Self::VIEW_DATASET_PROFILE,
        Self::VIEW_DATASET_OPERATIONS,
        Self::EDIT_ENTITY_QUERIES,
        Self::EDIT_ENTITY_DATA_CONTRACT,
        Self::DATA_READ_ONLY,
        Self::DATA_READ_WRITE,
        Self::DATA_MANAGE_TABLES,
        Self::DATA_MANAGE_VIEWS,
        Self::DATA_MANAGE_NAMESPACES,
        Self::DATA_LIST_ENTITIES,
        Self::EDIT_TAG_COLOR,
        Self::EDIT_GROUP_MEMBERS,
        Self::EDIT_USER_PROFILE,
        Self::EDIT_CONTACT_INFO,
        Self::MANAGE_GLOSSARY_CHILDREN,
        Self::MANAGE_ALL_GLOSSARY_CHILDREN,
        Self::GET_TIMELINE_PRIVILEGE,
        Self::GET_ENTITY_PRIVILEGE,
        Self::GET_TIMESERIES_ASPECT_PRIVILEGE,
        Self::GET_COUNTS_PRIVILEGE,
        Self::RESTORE_INDICES_PRIVILEGE,
        Self::GET_TIMESERIES_INDEX_SIZES_PRIVILEGE,
        Self::TRUNCATE_TIMESERIES_INDEX_PRIVILEGE,
        Self::GET_ES_TASK_STATUS_PRIVILEGE,
        Self::ES_EXPLAIN_QUERY_PRIVILEGE,
        Self::SEARCH_PRIVILEGE,
        Self::SET_WRITEABLE_PRIVILEGE,
        Self::APPLY_RETENTION_PRIVILEGE,
        Self::PRODUCE_PLATFORM_EVENT_PRIVILEGE,
        Self::EDIT_DATASET_COL_BUSINESS_ATTRIBUTE_PRIVILEGE,
        Self::MANAGE_DATA_PRODUCTS,
    ];
}
