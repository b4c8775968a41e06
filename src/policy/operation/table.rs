use super::{
    Operation::{self, Create, Delete, Execute, Exists, Read, Update},
    OperationGroup,
};
use crate::policy::Privilege as P;

/// For each operation the privileges of which any one will do. What is not listed is denied.
pub(super) type Operations = &'static [(Operation, &'static [P])];

/// The operations of each group.
pub(super) const GROUPS: &[(OperationGroup, Operations)] = &[
    (
        OperationGroup::Entity,
        &[
            (Create, &[P::CREATE_ENTITY, P::EDIT_ENTITY]),
            (
                Read,
                &[P::VIEW_ENTITY_PAGE, P::GET_ENTITY_PRIVILEGE, P::EDIT_ENTITY, P::DELETE_ENTITY],
            ),
            (Update, &[P::EDIT_ENTITY]),
            (Delete, &[P::DELETE_ENTITY]),
            (Execute, &[P::EXECUTE_ENTITY]),
            (
                Exists,
                &[
                    P::EXISTS_ENTITY,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                ],
            ),
        ],
    ),
    (
        OperationGroup::Lineage,
        &[
            (Create, &[P::EDIT_ENTITY, P::EDIT_LINEAGE]),
            (
                Read,
                &[
                    P::VIEW_ENTITY_PAGE,
                    P::GET_ENTITY_PRIVILEGE,
                    P::EDIT_ENTITY,
                    P::EDIT_LINEAGE,
                    P::DELETE_ENTITY,
                ],
            ),
            (Update, &[P::EDIT_ENTITY, P::EDIT_LINEAGE]),
            (Delete, &[P::EDIT_ENTITY, P::DELETE_ENTITY, P::EDIT_LINEAGE]),
            (
                Exists,
                &[
                    P::EXISTS_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                    P::EDIT_ENTITY,
                    P::EDIT_LINEAGE,
                    P::DELETE_ENTITY,
                    P::GET_ENTITY_PRIVILEGE,
                ],
            ),
        ],
    ),
    (
        OperationGroup::Relationship,
        &[
            (Create, &[P::EDIT_ENTITY]),
            (Read, &[P::VIEW_ENTITY_PAGE, P::GET_ENTITY_PRIVILEGE, P::EDIT_ENTITY]),
            (Update, &[P::EDIT_ENTITY]),
            (Delete, &[P::EDIT_ENTITY, P::DELETE_ENTITY]),
            (
                Exists,
                &[
                    P::EXISTS_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::GET_ENTITY_PRIVILEGE,
                ],
            ),
        ],
    ),
    (
        OperationGroup::Timeseries,
        &[
            (Create, &[P::EDIT_ENTITY]),
            (Read, &[P::GET_TIMESERIES_ASPECT_PRIVILEGE, P::EDIT_ENTITY, P::DELETE_ENTITY]),
            (Update, &[P::EDIT_ENTITY]),
            (Delete, &[P::DELETE_ENTITY]),
            (
                Exists,
                &[
                    P::EXISTS_ENTITY,
                    P::DELETE_ENTITY,
                    P::SEARCH_PRIVILEGE,
                    P::EDIT_ENTITY,
                    P::GET_TIMESERIES_ASPECT_PRIVILEGE,
                    P::VIEW_ENTITY_PAGE,
                ],
            ),
        ],
    ),
    (
        OperationGroup::Analytics,
        &[
            (Read, &[P::VIEW_ANALYTICS, P::GET_ANALYTICS_PRIVILEGE, P::MANAGE_SYSTEM_OPERATIONS]),
            (
                Exists,
                &[
                    P::VIEW_ANALYTICS,
                    P::GET_ANALYTICS_PRIVILEGE,
                    P::SEARCH_PRIVILEGE,
                    P::MANAGE_SYSTEM_OPERATIONS,
                ],
            ),
        ],
    ),
    (OperationGroup::Counts, &[(Read, &[P::GET_COUNTS_PRIVILEGE])]),
];

/// Entity types with operations of their own, in place of all those of the group `ENTITY`.
pub(super) const ENTITY_TYPES: &[(&str, Operations)] = &[
    (
        "dataHubPolicy",
        &[
            (Create, &[P::MANAGE_POLICIES]),
            (
                Read,
                &[P::VIEW_ENTITY_PAGE, P::GET_ENTITY_PRIVILEGE, P::EDIT_ENTITY, P::DELETE_ENTITY],
            ),
            (Update, &[P::MANAGE_POLICIES]),
            (Delete, &[P::MANAGE_POLICIES]),
            (
                Exists,
                &[
                    P::EXISTS_ENTITY,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                ],
            ),
        ],
    ),
    (
        "corpuser",
        &[
            (
                Create,
                &[
                    P::CREATE_USERS_AND_GROUPS,
                    P::MANAGE_USERS_AND_GROUPS,
                    P::CREATE_USERS,
                    P::UPDATE_USERS,
                ],
            ),
            (
                Read,
                &[P::VIEW_ENTITY_PAGE, P::GET_ENTITY_PRIVILEGE, P::EDIT_ENTITY, P::DELETE_ENTITY],
            ),
            (Update, &[P::UPDATE_USERS_AND_GROUPS, P::MANAGE_USERS_AND_GROUPS, P::UPDATE_USERS]),
            (Delete, &[P::MANAGE_USERS_AND_GROUPS, P::UPDATE_USERS]),
            (
                Exists,
                &[
                    P::EXISTS_ENTITY,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                ],
            ),
        ],
    ),
    (
        "corpGroup",
        &[
            (
                Create,
                &[
                    P::CREATE_USERS_AND_GROUPS,
                    P::MANAGE_USERS_AND_GROUPS,
                    P::CREATE_GROUPS,
                    P::UPDATE_GROUPS,
                ],
            ),
            (
                Read,
                &[P::VIEW_ENTITY_PAGE, P::GET_ENTITY_PRIVILEGE, P::EDIT_ENTITY, P::DELETE_ENTITY],
            ),
            (Update, &[P::UPDATE_USERS_AND_GROUPS, P::MANAGE_USERS_AND_GROUPS, P::UPDATE_GROUPS]),
            (Delete, &[P::MANAGE_USERS_AND_GROUPS, P::UPDATE_GROUPS]),
            (
                Exists,
                &[
                    P::EXISTS_ENTITY,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                ],
            ),
        ],
    ),
    (
        "dataHubIngestionSource",
        &[
            (Create, &[P::MANAGE_INGESTION]),
            (
                Read,
                &[P::VIEW_ENTITY_PAGE, P::GET_ENTITY_PRIVILEGE, P::EDIT_ENTITY, P::DELETE_ENTITY],
            ),
            (Update, &[P::EDIT_ENTITY, P::MANAGE_INGESTION]),
            (Delete, &[P::DELETE_ENTITY, P::MANAGE_INGESTION]),
            (Execute, &[P::EXECUTE_ENTITY, P::MANAGE_INGESTION]),
            (
                Exists,
                &[
                    P::EXISTS_ENTITY,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                ],
            ),
        ],
    ),
    (
        "document",
        &[
            (Create, &[P::CREATE_ENTITY, P::EDIT_ENTITY, P::MANAGE_DOCUMENTS]),
            (
                Read,
                &[
                    P::VIEW_ENTITY_PAGE,
                    P::GET_ENTITY_PRIVILEGE,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::MANAGE_DOCUMENTS,
                ],
            ),
            (Update, &[P::EDIT_ENTITY, P::MANAGE_DOCUMENTS]),
            (Delete, &[P::DELETE_ENTITY, P::MANAGE_DOCUMENTS]),
            (
                Exists,
                &[
                    P::EXISTS_ENTITY,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                ],
            ),
        ],
    ),
    (
        "dataHubSecret",
        &[
            (Create, &[P::MANAGE_SECRETS]),
            (Read, &[P::MANAGE_SECRETS]),
            (Update, &[P::MANAGE_SECRETS]),
            (Delete, &[P::MANAGE_SECRETS]),
            (
                Exists,
                &[
                    P::EXISTS_ENTITY,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                ],
            ),
        ],
    ),
    (
        "globalSettings",
        &[
            (Create, &[P::MANAGE_GLOBAL_SETTINGS]),
            (
                Read,
                &[
                    P::VIEW_ENTITY_PAGE,
                    P::GET_ENTITY_PRIVILEGE,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::MANAGE_GLOBAL_SETTINGS,
                ],
            ),
            (Update, &[P::MANAGE_GLOBAL_SETTINGS]),
            (Delete, &[P::MANAGE_GLOBAL_SETTINGS]),
            (
                Exists,
                &[
                    P::EXISTS_ENTITY,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                    P::MANAGE_GLOBAL_SETTINGS,
                ],
            ),
        ],
    ),
    (
        "dataHubAccessToken",
        &[
            (Create, &[P::MANAGE_ACCESS_TOKENS, P::CREATE_ENTITY, P::EDIT_ENTITY]),
            (
                Read,
                &[
                    P::MANAGE_ACCESS_TOKENS,
                    P::VIEW_ENTITY_PAGE,
                    P::GET_ENTITY_PRIVILEGE,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                ],
            ),
            (Update, &[P::MANAGE_ACCESS_TOKENS, P::EDIT_ENTITY]),
            (Delete, &[P::MANAGE_ACCESS_TOKENS, P::DELETE_ENTITY]),
            (
                Exists,
                &[
                    P::MANAGE_ACCESS_TOKENS,
                    P::EXISTS_ENTITY,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                ],
            ),
        ],
    ),
    (
        "structuredProperty",
        &[
            (Create, &[P::MANAGE_STRUCTURED_PROPERTIES]),
            (Read, &[P::VIEW_ENTITY_PAGE, P::MANAGE_STRUCTURED_PROPERTIES]),
            (Update, &[P::EDIT_ENTITY, P::MANAGE_STRUCTURED_PROPERTIES]),
            (Delete, &[P::DELETE_ENTITY, P::MANAGE_STRUCTURED_PROPERTIES]),
            (Execute, &[P::EXECUTE_ENTITY, P::MANAGE_STRUCTURED_PROPERTIES]),
            (
                Exists,
                &[
                    P::MANAGE_STRUCTURED_PROPERTIES,
                    P::EXISTS_ENTITY,
                    P::EDIT_ENTITY,
                    P::DELETE_ENTITY,
                    P::VIEW_ENTITY_PAGE,
                    P::SEARCH_PRIVILEGE,
                ],
            ),
        ],
    ),
];
