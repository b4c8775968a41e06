use async_graphql::{Enum, InputObject, Interface, Object, SimpleObject};

use super::{
    group::CorpGroup, role::DataHubRole, scalar::Long, service_account::ServiceAccount,
    token::AccessTokenMetadata, user::CorpUser, view::DataHubView,
};

/// Something that has a urn.
#[derive(Debug, Clone, Interface)]
#[graphql(
    field(name = "urn", ty = "String", desc = "The name of the entity."),
    field(name = "type", method = "entity_type", ty = "EntityType", desc = "What it is."),
    field(
        name = "relationships",
        ty = "Option<EntityRelationshipsResult>",
        arg(name = "input", ty = "RelationshipsInput"),
        desc = "Edges to other entities. They are not kept here: always null."
    )
)]
pub enum Entity {
    /// An access token.
    AccessTokenMetadata(AccessTokenMetadata),
    /// A service account.
    ServiceAccount(ServiceAccount),
    /// A user.
    CorpUser(CorpUser),
    /// A group.
    CorpGroup(CorpGroup),
    /// A role.
    DataHubRole(DataHubRole),
    /// A view, of which there are none.
    DataHubView(DataHubView),
    /// Anything else, of which no more than its urn is known here.
    EntityReference(EntityReference),
}

impl Entity {
    /// The entity of this urn: a user or a group as such, and anything else as a reference.
    #[must_use]
    pub fn of(urn: crate::actor::Urn) -> Self {
        match urn.entity_type() {
            "corpuser" => Self::CorpUser(CorpUser::of(urn)),
            "corpGroup" => Self::CorpGroup(CorpGroup::of(urn)),
            _ => Self::EntityReference(EntityReference::new(urn)),
        }
    }
}

/// An entity of which no more than its urn is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityReference {
    urn: crate::actor::Urn,
}

impl EntityReference {
    /// The entity of this urn, whatever it is.
    #[must_use]
    pub fn new(urn: crate::actor::Urn) -> Self {
        Self { urn }
    }
}

/// An entity of which no more than its urn is known here.
#[Object]
impl EntityReference {
    /// The name of the entity.
    pub(super) async fn urn(&self) -> String {
        self.urn.to_string()
    }

    /// What it is; `OTHER` where that has no name here.
    #[graphql(name = "type")]
    pub(super) async fn entity_type(&self) -> EntityType {
        EntityType::of(self.urn.entity_type())
    }

    /// Edges to other entities. They are not kept here: always null.
    pub(super) async fn relationships(
        &self,
        input: RelationshipsInput,
    ) -> Option<EntityRelationshipsResult> {
        let _ = input;
        None
    }
}

/// Which edges of an entity are asked for.
#[derive(Debug, Clone, InputObject)]
pub struct RelationshipsInput {
    /// Edges of any of these types.
    pub types: Vec<String>,
    /// Those that go out from the entity, or those that come in.
    pub direction: RelationshipDirection,
    /// How many to skip.
    pub start: Option<i32>,
    /// How many to return at most.
    pub count: Option<i32>,
    /// Whether soft-deleted entities are among them.
    #[graphql(default_with = "Some(true)")]
    pub include_soft_delete: Option<bool>,
}

/// Which way an edge goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum RelationshipDirection {
    /// To the entity.
    Incoming,
    /// From the entity.
    Outgoing,
}

/// A page of edges.
#[derive(Debug, Clone, SimpleObject)]
pub struct EntityRelationshipsResult {
    /// How many were skipped.
    pub start: Option<i32>,
    /// How many are on this page.
    pub count: Option<i32>,
    /// How many there are.
    pub total: Option<i32>,
    /// The edges.
    pub relationships: Vec<EntityRelationship>,
}

/// An edge between two entities.
#[derive(Debug, Clone, SimpleObject)]
pub struct EntityRelationship {
    /// Its type.
    #[graphql(name = "type")]
    pub relationship_type: String,
    /// Which way it goes, seen from the entity that was asked.
    pub direction: RelationshipDirection,
    /// The entity at the other end.
    pub entity: Option<Entity>,
    /// When and by whom it was made.
    pub created: Option<AuditStamp>,
}

/// When something was done, and by whom.
#[derive(Debug, Clone, SimpleObject)]
pub struct AuditStamp {
    /// When, in milliseconds since the Unix epoch.
    pub time: Long,
    /// The urn of who did it.
    pub actor: Option<String>,
}

macro_rules! entity_types {
    ($($variant:ident $name:literal $about:literal,)*) => {
        /// The types of entities, as DataHub names them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
        #[non_exhaustive]
        pub enum EntityType {
            $(#[doc = $about] $variant,)*
        }

        impl EntityType {
            /// The name in urns, such as `corpuser`. `OTHER` has none, and gives an empty text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The type with this name in urns; `OTHER` for one that is not known.
            #[must_use]
            pub fn of(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

entity_types! {
    Domain "domain" "A domain.",
    Dataset "dataset" "A dataset.",
    CorpUser "corpuser" "A user, or a service account.",
    CorpGroup "corpGroup" "A group of users.",
    DataPlatform "dataPlatform" "A data platform.",
    ErModelRelationship "erModelRelationship" "A relationship between datasets.",
    Dashboard "dashboard" "A dashboard.",
    Notebook "notebook" "A notebook.",
    Chart "chart" "A chart.",
    DataFlow "dataFlow" "A pipeline.",
    DataJob "dataJob" "A task of a pipeline.",
    Tag "tag" "A tag.",
    GlossaryTerm "glossaryTerm" "A glossary term.",
    GlossaryNode "glossaryNode" "A group of glossary terms.",
    Container "container" "A container of other entities.",
    Mlmodel "mlModel" "A machine-learning model.",
    MlmodelGroup "mlModelGroup" "A group of machine-learning models.",
    MlfeatureTable "mlFeatureTable" "A table of features.",
    Mlfeature "mlFeature" "A feature.",
    MlprimaryKey "mlPrimaryKey" "A primary key of features.",
    IngestionSource "dataHubIngestionSource" "An ingestion source.",
    ExecutionRequest "dataHubExecutionRequest" "A run of an ingestion source.",
    Assertion "assertion" "An assertion about data.",
    DataProcessInstance "dataProcessInstance" "A run of a pipeline or a task.",
    DataPlatformInstance "dataPlatformInstance" "An instance of a data platform.",
    AccessToken "dataHubAccessToken" "An access token.",
    Test "test" "A test of metadata.",
    DatahubPolicy "dataHubPolicy" "A policy.",
    DatahubRole "dataHubRole" "A role.",
    Post "post" "A post on the home page.",
    SchemaField "schemaField" "A column.",
    DatahubView "dataHubView" "A saved view.",
    Query "query" "A query.",
    DataProduct "dataProduct" "A data product.",
    CustomOwnershipType "ownershipType" "A type of ownership.",
    DatahubConnection "dataHubConnection" "A connection to another system.",
    Incident "incident" "An incident.",
    Role "role" "A role of an organisation outside.",
    DataContract "dataContract" "A data contract.",
    StructuredProperty "structuredProperty" "A structured property.",
    Form "form" "A form.",
    DataType "dataType" "A type of values.",
    EntityType "entityType" "A type of entities.",
    Restricted "restricted" "An entity that the caller may not see.",
    Other "" "Any other type.",
    BusinessAttribute "businessAttribute" "A business attribute.",
    VersionSet "versionSet" "The versions of an entity.",
    Application "application" "An application.",
    DatahubPageTemplate "dataHubPageTemplate" "A template of a page.",
    DatahubPageModule "dataHubPageModule" "A module of a page.",
}
