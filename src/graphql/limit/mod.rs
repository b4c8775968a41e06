//! What a document may cost. It is looked at as a text, then as what was read of it, before anything
//! else is done with it.

mod text;
mod value;

use std::collections::HashMap;

use async_graphql::Positioned;
use async_graphql::{
    Name, Pos, ServerError, Value, Variables,
    parser::types::{
        Directive, ExecutableDocument, Field, FragmentDefinition, OperationType, Selection,
        SelectionSet,
    },
};

pub(super) use self::text::check_text;
use self::value::{Known, Size};
use super::error;

/// What a query may cost, and how deep its selections may be nested.
///
/// The library has limits of its own, but none for how often a field is asked for under other
/// names, and it visits a fragment as often as it is spread, and copies a variable as often as it
/// is used. So a document is measured, every fragment once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) cost: u32,
    pub(super) depth: u32,
    /// How many bytes the arguments may be, with what the variables stand for.
    pub(super) volume: u64,
}

impl Limits {
    /// The defaults, for bodies of up to so many bytes.
    pub(super) fn for_bodies_of(bytes: usize) -> Self {
        Self { cost: 1_000, depth: 20, volume: Self::volume(bytes) }
    }

    /// As much as every value of a body four times.
    pub(super) fn volume(body: usize) -> u64 {
        u64::try_from(body).unwrap_or(u64::MAX).saturating_mul(4)
    }
}

/// What a field costs, beside the 1 that every selection costs.
fn field_cost(parent: Parent, field: &str) -> u64 {
    match (parent, field) {
        (_, "__typename") | (Parent::Introspection, _) => 0,
        (Parent::Other, field) if reads_store(field) => 5,
        (Parent::Other, _) => 0,
        // A signature, and a row that stays.
        (_, "createAccessToken" | "getAccessToken") => 75,
        // All policies, and an engine of them.
        (_, "getGrantedPrivileges" | "debugAccess" | "listPolicies") => 200,
        // Pages of up to a thousand.
        (Parent::Query, list) if is_list(list) => 40,
        (Parent::Query, _) => 10,
        (Parent::Mutation, _) => 20,
    }
}

/// What the store is asked for only if somebody wants it.
fn reads_store(field: &str) -> bool {
    const FIELDS: [&str; 9] = [
        "owner",
        "actor",
        "properties",
        "info",
        "editableProperties",
        "exists",
        "resolvedUsers",
        "resolvedGroups",
        "resolvedRoles",
    ];
    FIELDS.contains(&field)
}

fn is_list(field: &str) -> bool {
    field.starts_with("list")
}

/// How many rows a list has unless it is said, and for how many what is in them counts once.
const PAGE: u64 = 20;

/// How often it counts at most: a page of the largest size.
const MOST_PAGES: u64 = 50;

/// How many rows are reckoned with at most.
const MOST_ROWS: u64 = 10_000;

/// The type a selection set is on, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Parent {
    Query,
    Mutation,
    /// What a schema says of itself.
    Introspection,
    Other,
}

/// How deep brackets may be nested: beyond, the parser and the engine could run out of stack.
pub(super) const NESTING: usize = 64;

/// How many lists of what a schema says of itself may be in each other: each has everything that
/// the one around it has.
const LISTINGS: u32 = 2;

/// What is in the second of such lists counts so often.
const LISTING: u64 = 20;

fn is_listing(field: &str) -> bool {
    matches!(field, "fields" | "inputFields" | "interfaces" | "possibleTypes")
}

impl Limits {
    /// Measures a document, with all of its operations: all of them are validated.
    pub(super) fn check(
        self,
        document: &ExecutableDocument,
        variables: &Variables,
    ) -> Result<(), ServerError> {
        let known = Known::new(document, variables);
        let mut walk = Walk { document, known, fragments: HashMap::new() };
        let mut whole = Measure::default();
        for (_, operation) in document.operations.iter() {
            let operation = &operation.node;
            let parent = match operation.ty {
                OperationType::Query => Parent::Query,
                OperationType::Mutation => Parent::Mutation,
                OperationType::Subscription => Parent::Other,
            };
            whole.add(walk.selections(&operation.selection_set.node, parent, 0)?);
            whole.charge(walk.directives(&operation.directives));
            for variable in &operation.variable_definitions {
                whole.cost = whole.cost.saturating_add(1);
                whole.charge(walk.directives(&variable.node.directives));
                if let Some(default) = &variable.node.default_value {
                    whole.charge(value::plain(&default.node));
                }
            }
        }
        for name in document.fragments.keys() {
            let visited = [Parent::Query, Parent::Mutation, Parent::Introspection, Parent::Other]
                .iter()
                .any(|parent| walk.fragments.contains_key(&(name.as_str(), *parent)));
            if !visited {
                whole.add(walk.fragment(name.as_str(), Parent::Other, 0)?);
            }
        }
        let too_much = |what: &str, found: u64, most: u64| {
            Err(error::aborted(format!("maximum query {what} exceeded {found} > {most}"), None))
        };
        if whole.cost > u64::from(self.cost) {
            return too_much("complexity", whole.cost, u64::from(self.cost));
        }
        if whole.depth > u64::from(self.depth) {
            return too_much("depth", whole.depth, u64::from(self.depth));
        }
        if whole.volume > self.volume {
            return too_much("volume", whole.volume, self.volume);
        }
        Ok(())
    }
}

/// What a selection set comes to, with the fragments that it spreads.
#[derive(Debug, Clone, Copy, Default)]
struct Measure {
    /// The cost; saturates, since fragments multiply it.
    cost: u64,
    /// How many fields stand in each other.
    depth: u64,
    /// How many bytes the arguments are.
    volume: u64,
    /// How many selection sets stand in each other, those of fragments among them.
    nesting: usize,
    /// How many lists of what a schema says of itself do.
    listings: u32,
}

impl Measure {
    fn add(&mut self, beside: Self) {
        self.cost = self.cost.saturating_add(beside.cost);
        self.depth = self.depth.max(beside.depth);
        self.volume = self.volume.saturating_add(beside.volume);
        self.nesting = self.nesting.max(beside.nesting);
        self.listings = self.listings.max(beside.listings);
    }

    fn charge(&mut self, size: Size) {
        self.cost = self.cost.saturating_add(size.nodes);
        self.volume = self.volume.saturating_add(size.bytes);
    }
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    known: Known<'a>,
    /// What is known of fragments; `None` for those that are being measured.
    fragments: HashMap<(&'a str, Parent), Option<Measure>>,
}

impl<'a> Walk<'a> {
    fn selections(
        &mut self,
        set: &'a SelectionSet,
        parent: Parent,
        nesting: usize,
    ) -> Result<Measure, ServerError> {
        let mut whole = Measure::default();
        for selection in &set.items {
            let at = selection.pos;
            let nesting = deeper(nesting, 0, at)?;
            let mut measure = match &selection.node {
                Selection::Field(field) => self.field(&field.node, parent, nesting, at)?,
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    let set = &fragment.selection_set.node;
                    let mut measure = self.selections(set, parent, nesting)?;
                    measure.charge(self.directives(&fragment.directives));
                    measure
                }
                Selection::FragmentSpread(spread) => {
                    let spread = &spread.node;
                    let name = spread.fragment_name.node.as_str();
                    let mut measure = self.fragment(name, parent, nesting)?;
                    deeper(nesting, measure.nesting, at)?;
                    measure.charge(self.directives(&spread.directives));
                    measure
                }
            };
            measure.cost = measure.cost.saturating_add(1);
            measure.nesting += 1;
            whole.add(measure);
        }
        Ok(whole)
    }

    fn field(
        &mut self,
        field: &'a Field,
        parent: Parent,
        nesting: usize,
        at: Pos,
    ) -> Result<Measure, ServerError> {
        let name = field.name.node.as_str();
        let introspects = matches!(name, "__schema" | "__type");
        let inner = match parent {
            Parent::Introspection => Parent::Introspection,
            _ if introspects => Parent::Introspection,
            _ => Parent::Other,
        };
        let mut measure = self.selections(&field.selection_set.node, inner, nesting)?;
        measure.depth += 1;

        if parent == Parent::Introspection {
            if is_listing(name) {
                if measure.listings > 0 {
                    measure.cost = measure.cost.saturating_mul(LISTING);
                }
                measure.listings += 1;
            }
            if measure.listings > LISTINGS {
                let message = "an introspection has too many lists in each other";
                return Err(error::aborted(message, Some(at)));
            }
        }
        let arguments = value::of_field(field);
        if matches!(parent, Parent::Query | Parent::Mutation) {
            let default = if is_list(name) { PAGE } else { 1 };
            let rows = self.known.rows(&arguments).unwrap_or(default).min(MOST_ROWS);
            let pages = rows.div_ceil(PAGE).clamp(1, MOST_PAGES);
            measure.cost = measure.cost.saturating_mul(pages);
            measure.volume = measure.volume.saturating_mul(rows.max(1));
        }
        measure.charge(self.arguments(&arguments));
        measure.charge(self.directives(&field.directives));
        measure.cost = measure.cost.saturating_add(field_cost(parent, name));
        Ok(measure)
    }

    fn fragment(
        &mut self,
        name: &str,
        parent: Parent,
        nesting: usize,
    ) -> Result<Measure, ServerError> {
        // One that is not there is found by the engine's validation.
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Measure::default());
        };
        match self.fragments.get(&(name.as_str(), parent)) {
            Some(Some(measure)) => return Ok(*measure),
            Some(None) => {
                return Err(error::invalid("a fragment spreads itself", Some(fragment.pos)));
            }
            None => {}
        }
        self.fragments.insert((name.as_str(), parent), None);
        let FragmentDefinition { selection_set, directives, .. } = &fragment.node;
        let mut measure = self.selections(&selection_set.node, parent, nesting)?;
        measure.charge(self.directives(directives));
        self.fragments.insert((name.as_str(), parent), Some(measure));
        Ok(measure)
    }

    fn directives(&self, directives: &[Positioned<Directive>]) -> Size {
        let mut whole = Size::default();
        for directive in directives {
            whole.add(Size { nodes: 1, bytes: 0 });
            whole.add(self.arguments(&value::of_directive(&directive.node)));
        }
        whole
    }

    fn arguments(&self, arguments: &[(Name, Value)]) -> Size {
        let mut whole = Size::default();
        for (_, value) in arguments {
            whole.add(Size { nodes: 1, bytes: 0 });
            whole.add(self.known.size(value));
        }
        whole
    }
}

/// One level more, and `below` it; refused where that is too deep.
fn deeper(nesting: usize, below: usize, at: Pos) -> Result<usize, ServerError> {
    let nesting = nesting + 1;
    if nesting + below > NESTING {
        let message = format!("maximum nesting exceeded {} > {NESTING}", nesting + below);
        return Err(error::aborted(message, Some(at)));
    }
    Ok(nesting)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::{Value as Json, json};

    use super::*;

    fn check(query: &str) -> Result<(), String> {
        check_with(query, json!({}))
    }

    fn check_with(query: &str, variables: Json) -> Result<(), String> {
        check_text(query).map_err(|error| error.message)?;
        let document = parse_query(query).unwrap();
        let variables = Variables::from_json(variables);
        let limits = Limits::for_bodies_of(1024 * 1024);
        limits.check(&document, &variables).map_err(|error| error.message)
    }

    fn aliased(field: &str, times: usize) -> String {
        (0..times).map(|n| format!("a{n}: {field} ")).collect()
    }

    #[test]
    fn ten_tokens_fit_into_a_request() {
        let create = "createAccessToken(input: {type: PERSONAL, actorUrn: $actor, duration: \
                      $duration, name: \"x\", description: null}) { accessToken metadata { urn id } }";
        let mutation = |times| format!("mutation {{ {} }}", aliased(create, times));
        assert!(check(&mutation(10)).is_ok());
        assert!(check(&mutation(13)).is_err());
        let quick = "getAccessToken(input: $input) { accessToken }";
        assert!(check(&format!("{{ {} }}", aliased(quick, 13))).is_err());
    }

    #[test]
    fn a_hundred_mutations_do_not_fit_however_they_are_written() {
        let revoke = aliased("revokeAccessToken(tokenId: \"a\")", 100);
        let told = check(&format!("mutation {{ {revoke} }}")).unwrap_err();
        assert_eq!(told, "maximum query complexity exceeded 2200 > 1000");
        for query in [
            format!("mutation {{ ... {{ {revoke} }} }}"),
            format!("mutation {{ ... on Mutation {{ ... {{ {revoke} }} }} }}"),
            format!("mutation {{ ...f }} fragment f on Mutation {{ {revoke} }}"),
            format!(
                "mutation {{ ...g }} fragment g on Mutation {{ ...f }} fragment f on Mutation {{ {revoke} }}"
            ),
            // Of two operations, either may be chosen, and both are validated.
            format!("query q {{ a }} mutation m {{ {revoke} }}"),
        ] {
            assert!(check(&query).unwrap_err().contains("complexity"), "{query}");
        }
    }

    #[test]
    fn fragments_count_as_often_as_they_are_spread() {
        let mut query = "{ ...f0 }".to_owned();
        for n in 0..30 {
            query += &format!(" fragment f{n} on T {{ ...f{0} a {{ ...f{0} }} }}", n + 1);
        }
        query += " fragment f30 on T { b }";
        assert!(check(&query).unwrap_err().contains("complexity"));
    }

    #[test]
    fn fragments_that_spread_each_other_are_refused() {
        for query in [
            "{ ...f } fragment f on T { ...f }",
            "{ ...f } fragment f on T { a { ...g } } fragment g on T { ...f }",
            // Also where no operation comes to them.
            "{ a } fragment f on T { ...g } fragment g on T { ... { ...f } }",
        ] {
            assert_eq!(check(query).unwrap_err(), "a fragment spreads itself", "{query}");
        }
    }

    #[test]
    fn fields_are_not_nested_too_deep() {
        let fields = |depth| format!("{}{{ b }}{}", "{ a ".repeat(depth), "}".repeat(depth));
        assert!(check(&fields(19)).is_ok());
        assert_eq!(check(&fields(20)).unwrap_err(), "maximum query depth exceeded 21 > 20");
        assert_eq!(check(&fields(64)).unwrap_err(), "maximum nesting exceeded 65 > 64");
    }

    #[test]
    fn a_chain_of_fragments_is_no_way_down() {
        let chain = |length: usize, reversed: bool| {
            let mut fragments: Vec<_> = (0..length)
                .map(|n| format!(" fragment f{n} on T {{ ...f{} }}", n + 1))
                .chain([format!(" fragment f{length} on T {{ b }}")])
                .collect();
            if reversed {
                fragments.reverse();
            }
            format!("{{ ...f0 }}{}", fragments.concat())
        };
        for reversed in [false, true] {
            assert!(check(&chain(60, reversed)).is_ok());
            assert!(check(&chain(100, reversed)).unwrap_err().contains("nesting"));
            assert!(check(&chain(1_500, reversed)).unwrap_err().contains("nesting"));
        }
        // What was measured higher up counts where it stands, too.
        let levels = "{ a ".repeat(15);
        let ends = "}".repeat(15);
        let query = format!("{{ ...f0 x {levels} ...f0 {ends} }}");
        let fragments = chain(58, false).replacen("{ ...f0 }", "", 1);
        assert!(check(&format!("{query} {fragments}")).unwrap_err().contains("nesting"));
    }

    #[test]
    fn lists_cost_more_than_single_things() {
        let list = "listAccessTokens(input: {}) { total }";
        assert!(check(&format!("{{ {} }}", aliased(list, 20))).is_ok());
        assert!(check(&format!("{{ {} }}", aliased(list, 24))).is_err());
        assert!(check(&format!("{{ {} }}", aliased("me { corpUser { urn } }", 60))).is_ok());
    }

    #[test]
    fn directives_and_arguments_cost_too() {
        let directives = "@skip(if: false) ".repeat(1_000);
        assert!(check(&format!("{{ a {directives} }}")).is_err());
        assert!(check(&format!("query {directives} {{ a }}")).is_err());
        let arguments: String = (0..1_000).map(|n| format!("a{n}: 1 ")).collect();
        assert!(check(&format!("{{ a({arguments}) }}")).is_err());
        let variables: String = (0..1_000).map(|n| format!("$a{n}: Int ")).collect();
        assert!(check(&format!("query ({variables}) {{ a }}")).is_err());
    }

    #[test]
    fn values_cost_too() {
        let items = |item: &str, times| format!("{{ a(b: [{}]) }}", item.repeat(times));
        for (item, nodes) in [("1,", 1), ("$f ", 2), ("{c: $f}", 3), ("[1]", 2), ("E,", 1)] {
            assert!(check(&items(item, 900 / nodes)).is_ok(), "{item}");
            let told = check(&items(item, 1_000 / nodes)).unwrap_err();
            assert!(told.contains("complexity"), "{item}: {told}");
        }
        let many = "1,".repeat(1_000);
        for query in [
            format!("{{ a @b(c: [{many}]) }}"),
            format!("query @b(c: [{many}]) {{ a }}"),
            format!("query ($v: [Int] = [{many}]) {{ a }}"),
            format!("query ($v: Int @b(c: [{many}])) {{ a }}"),
            format!("{{ ... @b(c: [{many}]) {{ a }} }}"),
            format!("{{ ...f }} fragment f on Query @b(c: [{many}]) {{ a }}"),
            format!("{{ ...f @b(c: [{many}]) }} fragment f on Query {{ a }}"),
            format!("{{ a }} fragment f on Query {} {{ a }}", "@b ".repeat(1_000)),
        ] {
            assert!(check(&query).unwrap_err().contains("complexity"), "{query:.60}");
        }
    }

    #[test]
    fn a_variable_is_not_copied_at_will() {
        let variables = json!({ "f": "x".repeat(500_000) });
        let uses = |times: usize| format!("query ($f: S) {{ a(b: [{}]) }}", "$f ".repeat(times));
        assert_eq!(check_with(&uses(8), variables.clone()), Ok(()));
        let told = check_with(&uses(9), variables.clone()).unwrap_err();
        assert!(told.starts_with("maximum query volume exceeded 45000"), "{told}");
        for query in [
            format!("query ($f: S) {{ {} }}", aliased("a(b: $f)", 9)),
            format!("query ($f: S) {{ a {} }}", "@b(c: {d: [$f]}) ".repeat(9)),
            format!("query ($f: S) {{ {} }} fragment g on T {{ a(b: $f) }}", "...g ".repeat(9)),
            // For every row.
            "query ($f: S) { listA(input: {}) { b(c: $f) } }".to_owned(),
        ] {
            let told = check_with(&query, variables.clone()).unwrap_err();
            assert!(told.contains("volume"), "{query:.60}: {told}");
        }
        // As long a text in the document, and a default.
        let long = "x".repeat(500_000);
        let spread = "...g ".repeat(9);
        let query = format!("{{ {spread} }} fragment g on T {{ a(b: \"{long}\") }}");
        assert!(check(&query).unwrap_err().contains("volume"));
        let query = format!("query ($f: S = \"{long}\") {{ {} }}", aliased("a(b: $f)", 9));
        assert!(check(&query).unwrap_err().contains("volume"));
        // Many small things are more than they are long.
        let many = json!({ "f": vec![json!(1); 15_000] });
        assert_eq!(check_with(&uses(1), many.clone()), Ok(()));
        assert!(check_with(&uses(2), many).unwrap_err().contains("complexity"));
    }

    #[test]
    fn what_is_below_a_list_counts_by_its_rows() {
        let tokens = "total tokens { id name status owner { username properties { displayName } }
            actor { username properties { displayName } } }";
        let list =
            |count: &str| format!("{{ listAccessTokens(input: {{{count}}}) {{ {tokens} }} }}");
        for enough in ["", "count: 20", "count: 100", "count: 500", "count: -1", "count: null"] {
            assert_eq!(check(&list(enough)), Ok(()), "{enough}");
        }
        assert!(check(&list("count: 1000")).unwrap_err().contains("complexity"));
        let query = format!("query ($input: I) {{ listA(input: $input) {{ {tokens} }} }}");
        assert!(check_with(&query, json!({ "input": { "count": 1_000 } })).is_err());
        assert!(check_with(&query, json!({ "input": { "count": 100 } })).is_ok());
        let query = format!("query ($n: Int = 1000) {{ s(input: {{count: $n}}) {{ {tokens} }} }}");
        assert!(check_with(&query, json!({ "n": 20 })).is_err(), "the default may be meant");
        let query = format!("query ($n: Int) {{ ... {{ s(count: $n) {{ {tokens} }} }} }}");
        assert!(check_with(&query, json!({ "n": "1000" })).is_err());
        assert!(check_with(&query, json!({ "n": 100 })).is_ok());
        // As the client scrolls, by ten thousand.
        let scroll = "{ scroll(input: {count: 10000}) { next results { entity { urn }
            extra { name value } } } }";
        assert_eq!(check(scroll), Ok(()));
    }

    #[test]
    fn what_goes_through_all_policies_fits_a_few_times() {
        for field in ["getGrantedPrivileges(input: $i) { a }", "debugAccess(userUrn: $i) { roles }"]
        {
            assert!(check(&format!("{{ {} }}", aliased(field, 4))).is_ok(), "{field}");
            assert!(check(&format!("{{ {} }}", aliased(field, 5))).is_err(), "{field}");
        }
        let list = "listPolicies(input: {}) { total }";
        assert!(check(&format!("{{ {} }}", aliased(list, 5))).is_err());
    }

    #[test]
    fn introspection_does_not_go_in_circles() {
        for deep in [
            "{ __type(name: \"E\") { possibleTypes { interfaces { possibleTypes { name } } } } }",
            "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
            "{ ...q } fragment q on Query { __schema { types { ...a } } }
                fragment a on __Type { possibleTypes { ...b } }
                fragment b on __Type { interfaces { ... { inputFields { name } } } }",
        ] {
            let told = check(deep).unwrap_err();
            assert_eq!(told, "an introspection has too many lists in each other", "{deep}");
        }
        let two = "fields { type { fields { name } } }";
        let aliases = |times| format!("{{ __schema {{ types {{ {} }} }} }}", aliased(two, times));
        assert_eq!(check(&aliases(1)), Ok(()));
        assert!(check(&aliases(20)).unwrap_err().contains("complexity"));
        // Elsewhere, they are fields like any other.
        assert_eq!(check("{ a { fields { fields { fields { b } } } } }"), Ok(()));
        let chain = format!("{}name{}", "ofType { ".repeat(9), " }".repeat(9));
        let whole = format!(
            "query IntrospectionQuery {{ __schema {{ queryType {{ name kind }} types {{ ...F }}
                directives {{ name description isRepeatable locations args {{ ...I }} }} }} }}
            fragment F on __Type {{ kind name description specifiedByURL
                fields(includeDeprecated: true) {{ name description
                    args(includeDeprecated: true) {{ ...I }} type {{ ...T }} isDeprecated }}
                inputFields(includeDeprecated: true) {{ ...I }} interfaces {{ ...T }}
                enumValues(includeDeprecated: true) {{ name }} possibleTypes {{ ...T }} }}
            fragment I on __InputValue {{ name description type {{ ...T }} defaultValue }}
            fragment T on __Type {{ kind name {chain} }}"
        );
        assert_eq!(check(&whole), Ok(()));
    }
}
