mod table;

use std::{collections::HashMap, fmt, str::FromStr, sync::LazyLock};

use super::{Privilege, Requirement};

/// What an API does to what (DataHub: `ApiOperation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Make it.
    Create,
    /// Read it, or find it by searching.
    Read,
    /// Change it.
    Update,
    /// Remove it.
    Delete,
    /// Ask whether it is there.
    Exists,
    /// Run it.
    Execute,
    /// Both change and remove it.
    Manage,
}

/// What kind of thing an API is about (DataHub: `ApiGroup`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationGroup {
    /// Entities and their aspects. Some entity types have rules of their own.
    Entity,
    /// Lineage.
    Lineage,
    /// Relationships other than lineage.
    Relationship,
    /// Aspects that are series over time.
    Timeseries,
    /// Analytics.
    Analytics,
    /// Counts of entities and aspects.
    Counts,
}

/// What DataHub's APIs ask for: what a caller of `operation` has to hold.
///
/// `entity_type` matters for [`OperationGroup::Entity`] only, where nine types have rules of their
/// own. An operation that a group does not have is never allowed.
///
/// ```
/// use tower_pat::policy::{Operation, OperationGroup, requirement};
///
/// let needed = requirement(OperationGroup::Entity, Operation::Manage, Some("dataHubAccessToken"));
/// assert!(needed.to_string().contains("EDIT_ENTITY and DELETE_ENTITY"));
/// ```
#[must_use]
pub fn requirement(
    group: OperationGroup,
    operation: Operation,
    entity_type: Option<&str>,
) -> &'static Requirement {
    let tables = &*TABLES;
    let own = match (group, entity_type) {
        (OperationGroup::Entity, Some(entity_type)) => tables.entity_types.get(entity_type),
        _ => None,
    };
    own.or_else(|| tables.groups.get(&group))
        .and_then(|operations| operations.get(&operation))
        .unwrap_or(&tables.never)
}

/// How an item of a write API is to be written (DataHub: `ChangeType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeType {
    /// `CREATE`: make the aspect unless it is there.
    Create,
    /// `CREATE_ENTITY`: make the entity unless it is there.
    CreateEntity,
    /// `UPSERT`.
    Upsert,
    /// `UPDATE`.
    Update,
    /// `RESTATE`.
    Restate,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

/// Whether the entity to be written is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Existence {
    /// Nobody has looked.
    Unknown,
    /// It is.
    Exists,
    /// It is not.
    Missing,
}

impl ChangeType {
    /// The operation of [`OperationGroup::Entity`] that a write amounts to.
    #[must_use]
    pub fn operation(self, entity_type: &str, existence: Existence) -> Operation {
        // A document that is not there is made by whatever writes to it, patches included.
        let makes_anything = entity_type == "document" && existence == Existence::Missing;
        match self {
            Self::Delete => Operation::Delete,
            Self::CreateEntity if existence == Existence::Exists => Operation::Update,
            Self::CreateEntity => Operation::Create,
            _ if makes_anything => Operation::Create,
            Self::Upsert | Self::Update | Self::Restate if existence == Existence::Missing => {
                Operation::Create
            }
            Self::Upsert | Self::Update | Self::Restate | Self::Create | Self::Patch => {
                Operation::Update
            }
        }
    }

    /// DataHub's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::CreateEntity => "CREATE_ENTITY",
            Self::Upsert => "UPSERT",
            Self::Update => "UPDATE",
            Self::Restate => "RESTATE",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl FromStr for ChangeType {
    type Err = UnknownChangeTypeError;

    fn from_str(text: &str) -> Result<Self, UnknownChangeTypeError> {
        Ok(match text {
            "CREATE" => Self::Create,
            "CREATE_ENTITY" => Self::CreateEntity,
            "UPSERT" => Self::Upsert,
            "UPDATE" => Self::Update,
            "RESTATE" => Self::Restate,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => return Err(UnknownChangeTypeError),
        })
    }
}

impl fmt::Display for ChangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The change type is none that can be authorized: a bad request (400), not a refusal (403).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the change type is not one of CREATE, CREATE_ENTITY, UPSERT, UPDATE, RESTATE, PATCH, DELETE"
)]
pub struct UnknownChangeTypeError;

struct Tables {
    groups: HashMap<OperationGroup, HashMap<Operation, Requirement>>,
    entity_types: HashMap<&'static str, HashMap<Operation, Requirement>>,
    never: Requirement,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    groups: table::GROUPS.iter().map(|(group, rows)| (*group, with_manage(rows))).collect(),
    entity_types: table::ENTITY_TYPES
        .iter()
        .map(|(name, rows)| (*name, with_manage(rows)))
        .collect(),
    never: Requirement::any_of([]),
});

fn with_manage(rows: table::Operations) -> HashMap<Operation, Requirement> {
    let any_of = |privileges: &[Privilege]| Requirement::any_of(privileges.iter().cloned());
    let mut operations: HashMap<_, _> =
        rows.iter().map(|(operation, privileges)| (*operation, any_of(privileges))).collect();
    let part = |operation| operations.get(&operation).cloned();
    if let (Some(update), Some(delete)) = (part(Operation::Update), part(Operation::Delete)) {
        operations.insert(Operation::Manage, update.and(delete));
    }
    operations
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATIONS: [Operation; 7] = [
        Operation::Create,
        Operation::Read,
        Operation::Update,
        Operation::Delete,
        Operation::Exists,
        Operation::Execute,
        Operation::Manage,
    ];

    #[test]
    fn counts_can_only_be_read() {
        for operation in OPERATIONS {
            let sets = requirement(OperationGroup::Counts, operation, None).sets().count();
            assert_eq!(sets, usize::from(operation == Operation::Read), "{operation:?}");
        }
    }

    #[test]
    fn manage_of_entities_is_update_and_delete() {
        let manage = requirement(OperationGroup::Entity, Operation::Manage, Some("dataset"));
        assert_eq!(manage.to_string(), "EDIT_ENTITY and DELETE_ENTITY");
        let users = requirement(OperationGroup::Entity, Operation::Manage, Some("corpuser"));
        assert_eq!(users.sets().count(), 6);
    }

    #[test]
    fn an_entity_type_of_its_own_replaces_all_operations_of_the_group() {
        let of = |operation| requirement(OperationGroup::Entity, operation, Some("dataHubSecret"));
        assert_eq!(of(Operation::Read).to_string(), "MANAGE_SECRETS");
        assert_eq!(of(Operation::Execute).sets().count(), 0);
        let lineage = requirement(OperationGroup::Lineage, Operation::Read, Some("dataHubSecret"));
        assert!(lineage.sets().count() > 1);
    }

    #[test]
    fn change_types_are_read_exactly() {
        for text in ["CREATE", "CREATE_ENTITY", "UPSERT", "UPDATE", "RESTATE", "PATCH", "DELETE"] {
            assert_eq!(text.parse::<ChangeType>().unwrap().to_string(), text);
        }
        for text in ["upsert", "CREATE_LATEST", ""] {
            assert_eq!(text.parse::<ChangeType>(), Err(UnknownChangeTypeError));
        }
    }

    #[test]
    fn a_write_is_the_operation_that_it_amounts_to() {
        use Existence::{Exists, Missing, Unknown};
        use Operation::{Create, Delete, Update};
        for (change, unknown, exists, missing, document) in [
            (ChangeType::Create, Update, Update, Update, Create),
            (ChangeType::Upsert, Update, Update, Create, Create),
            (ChangeType::Update, Update, Update, Create, Create),
            (ChangeType::Restate, Update, Update, Create, Create),
            (ChangeType::Patch, Update, Update, Update, Create),
            (ChangeType::CreateEntity, Create, Update, Create, Create),
            (ChangeType::Delete, Delete, Delete, Delete, Delete),
        ] {
            assert_eq!(change.operation("dataset", Unknown), unknown, "{change}");
            assert_eq!(change.operation("dataset", Exists), exists, "{change}");
            assert_eq!(change.operation("dataset", Missing), missing, "{change}");
            assert_eq!(change.operation("document", Missing), document, "{change}");
            assert_eq!(change.operation("document", Exists), exists, "{change}");
        }
    }
}
