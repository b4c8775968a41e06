use std::collections::HashMap;

use async_graphql::{
    Pos, ServerError,
    parser::types::{
        ExecutableDocument, OperationType, Selection, SelectionSet, VariableDefinition,
    },
};

use super::error;

/// What a query may cost, and how deep its selections may be nested.
///
/// The library has limits of its own, but none for how often a field is asked for under other
/// names, and it visits a fragment as often as it is spread. So a document is measured before
/// anything else is done with it, every fragment once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) cost: u32,
    pub(super) depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cost: 1_000, depth: 20 }
    }
}

/// What a field of a root costs, beside the 1 that every selection costs.
fn root_cost(root: Root, field: &str) -> u64 {
    match (root, field) {
        (Root::None, _) | (_, "__typename" | "__schema" | "__type") => 0,
        // A signature, and a row that stays.
        (_, "createAccessToken" | "getAccessToken") => 90,
        // Pages of up to a thousand.
        (Root::Query, list) if list.starts_with("list") => 40,
        (Root::Query, _) => 10,
        (Root::Mutation, _) => 20,
    }
}

/// The type a selection set is on, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Root {
    Query,
    Mutation,
    None,
}

/// How deep brackets may be nested: beyond, the parser and the engine could run out of stack.
pub(super) const NESTING: usize = 64;

/// Refuses a text whose brackets are nested too deep, before it is parsed.
pub(super) fn check_nesting(query: &str) -> Result<(), ServerError> {
    let mut rest = query;
    let mut depth = 0_usize;
    while let Some(character) = rest.chars().next() {
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        rest = match character {
            '{' | '[' | '(' => {
                depth += 1;
                if depth > NESTING {
                    return Err(error::aborted(
                        format!("maximum nesting exceeded {depth} > {NESTING}"),
                        None,
                    ));
                }
                after
            }
            '}' | ']' | ')' => {
                depth = depth.saturating_sub(1);
                after
            }
            '#' => after.trim_start_matches(|c| c != '\n' && c != '\r'),
            '"' => match after.strip_prefix("\"\"") {
                Some(block) => block_string_end(block),
                None => string_end(after),
            },
            _ => after,
        };
    }
    Ok(())
}

/// What is behind a string, or behind the line in which it is not ended.
fn string_end(text: &str) -> &str {
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' | '\n' | '\r' => return text.get(at + 1..).unwrap_or_default(),
            '\\' => drop(characters.next()),
            _ => {}
        }
    }
    ""
}

fn block_string_end(mut text: &str) -> &str {
    while let Some((before, after)) = text.split_once("\"\"\"") {
        if !before.ends_with('\\') {
            return after;
        }
        text = after;
    }
    ""
}

impl Limits {
    /// Measures a document, with all of its operations: all of them are validated.
    pub(super) fn check(self, document: &ExecutableDocument) -> Result<(), ServerError> {
        let mut walk = Walk { document, fragments: HashMap::new() };
        let mut whole = Measure::default();
        for (_, operation) in document.operations.iter() {
            let root = match operation.node.ty {
                OperationType::Query => Root::Query,
                OperationType::Mutation => Root::Mutation,
                OperationType::Subscription => Root::None,
            };
            whole.add(walk.selections(&operation.node.selection_set.node, root, 0)?);
            let of = |variable: &VariableDefinition| 1 + count(&variable.directives);
            let variables = operation.node.variable_definitions.iter().map(|v| of(&v.node));
            whole.cost = whole.cost.saturating_add(variables.sum::<u64>());
            whole.cost = whole.cost.saturating_add(count(&operation.node.directives));
        }
        for name in document.fragments.keys() {
            let visited = [Root::Query, Root::Mutation, Root::None]
                .iter()
                .any(|root| walk.fragments.contains_key(&(name.as_str(), *root)));
            if !visited {
                whole.add(walk.fragment(name.as_str(), Root::None, 0)?);
            }
        }
        if whole.cost > u64::from(self.cost) {
            return Err(error::aborted(
                format!("maximum query complexity exceeded {} > {}", whole.cost, self.cost),
                None,
            ));
        }
        if whole.depth > u64::from(self.depth) {
            return Err(error::aborted(
                format!("maximum query depth exceeded {} > {}", whole.depth, self.depth),
                None,
            ));
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
    /// How many selection sets do, those of fragments among them.
    nesting: usize,
}

impl Measure {
    fn add(&mut self, beside: Self) {
        self.cost = self.cost.saturating_add(beside.cost);
        self.depth = self.depth.max(beside.depth);
        self.nesting = self.nesting.max(beside.nesting);
    }
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    /// What is known of fragments; `None` for those that are being measured.
    fragments: HashMap<(&'a str, Root), Option<Measure>>,
}

impl<'a> Walk<'a> {
    fn selections(
        &mut self,
        set: &'a SelectionSet,
        root: Root,
        nesting: usize,
    ) -> Result<Measure, ServerError> {
        let mut whole = Measure::default();
        for selection in &set.items {
            let at = selection.pos;
            let (own, inner) = match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let arguments = u64::try_from(field.arguments.len()).unwrap_or(u64::MAX);
                    let own = 1
                        + root_cost(root, field.name.node.as_str())
                        + arguments
                        + count(&field.directives);
                    let nesting = deeper(nesting, 0, at)?;
                    let mut inner =
                        self.selections(&field.selection_set.node, Root::None, nesting)?;
                    inner.depth += 1;
                    (own, inner)
                }
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    let nesting = deeper(nesting, 0, at)?;
                    let inner = self.selections(&fragment.selection_set.node, root, nesting)?;
                    (1 + count(&fragment.directives), inner)
                }
                Selection::FragmentSpread(spread) => {
                    let spread = &spread.node;
                    let nesting = deeper(nesting, 0, at)?;
                    let name = spread.fragment_name.node.as_str();
                    let inner = self.fragment(name, root, nesting)?;
                    deeper(nesting, inner.nesting, at)?;
                    (1 + count(&spread.directives), inner)
                }
            };
            let mut measure = inner;
            measure.cost = measure.cost.saturating_add(own);
            measure.nesting += 1;
            whole.add(measure);
        }
        Ok(whole)
    }

    fn fragment(&mut self, name: &str, root: Root, nesting: usize) -> Result<Measure, ServerError> {
        // One that is not there is found by the engine's validation.
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Measure::default());
        };
        match self.fragments.get(&(name.as_str(), root)) {
            Some(Some(measure)) => return Ok(*measure),
            Some(None) => {
                return Err(error::invalid("a fragment spreads itself", Some(fragment.pos)));
            }
            None => {}
        }
        self.fragments.insert((name.as_str(), root), None);
        let measure = self.selections(&fragment.node.selection_set.node, root, nesting)?;
        self.fragments.insert((name.as_str(), root), Some(measure));
        Ok(measure)
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

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn check(query: &str) -> Result<(), String> {
        check_nesting(query).map_err(|error| error.message)?;
        let document = parse_query(query).unwrap();
        Limits::default().check(&document).map_err(|error| error.message)
    }

    fn aliased(field: &str, times: usize) -> String {
        (0..times).map(|n| format!("a{n}: {field} ")).collect()
    }

    #[test]
    fn about_ten_tokens_fit_into_a_request() {
        let create = "createAccessToken(input: $input) { accessToken }";
        assert!(check(&format!("mutation {{ {} }}", aliased(create, 10))).is_ok());
        assert!(check(&format!("mutation {{ {} }}", aliased(create, 11))).is_err());
        let quick = "getAccessToken(input: $input) { accessToken }";
        assert!(check(&format!("{{ {} }}", aliased(quick, 11))).is_err());
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
    fn what_is_nested_too_deep_is_refused_before_it_is_parsed() {
        for (open, close) in [("{", "}"), ("[", "]"), ("(", ")"), ("{a:[", "]}")] {
            let nested = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
            assert!(check_nesting(&nested).is_err(), "{open}");
            assert!(check_nesting(&format!("# no comment\r{nested}")).is_err(), "{open}");
            assert!(check_nesting(&format!("\"a\\\"\" \"\"\"b\\\"\"\"c\"\"\" {nested}")).is_err());
            assert!(check_nesting(&format!("\"not ended\n{nested}")).is_err(), "{open}");
            // What is no bracket does not count.
            for text in ["# {}", "\"{}\"", "\"\"\"\n{}\"\"\"", "\"\\\\\" # {}"] {
                let text = text.replace("{}", &nested);
                assert!(check_nesting(&text).is_ok(), "{open}");
            }
        }
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
            assert!(check(&chain(20_000, reversed)).unwrap_err().contains("nesting"));
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
}
