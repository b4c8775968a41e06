use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use async_graphql::{
    Name, Number, ServerError, Value, Variables,
    parser::types::{
        BaseType, DocumentOperations, ExecutableDocument, OperationDefinition, ServiceDocument,
        Type, TypeKind, TypeSystemDefinition,
    },
};

use super::error;

/// The types that variables may have, and those of the fields of input objects, by which texts for
/// `Int` are found in variables.
///
/// DataHub's own users write `"20"` for a `count`, and its engine once took that. This one takes
/// no text for a number, so such texts are made numbers before it sees them; only what stands for
/// an `Int`, and only if it is written as one.
#[derive(Debug, Default)]
pub(super) struct InputTypes {
    names: HashSet<Name>,
    objects: HashMap<Name, HashMap<Name, Type>>,
}

impl InputTypes {
    /// Takes them from a schema.
    pub(super) fn of(schema: &ServiceDocument) -> Self {
        let built_in = ["Int", "Float", "String", "Boolean", "ID"];
        let mut names: HashSet<_> = built_in.into_iter().map(Name::new).collect();
        let mut objects = HashMap::new();
        for definition in &schema.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let definition = &definition.node;
            match &definition.kind {
                TypeKind::Scalar | TypeKind::Enum(_) => {}
                TypeKind::InputObject(object) => {
                    let fields = object.fields.iter().map(|field| &field.node);
                    let fields =
                        fields.map(|field| (field.name.node.clone(), field.ty.node.clone()));
                    objects.insert(definition.name.node.clone(), fields.collect());
                }
                _ => continue,
            }
            names.insert(definition.name.node.clone());
        }
        Self { names, objects }
    }

    /// Refuses variables of types that there are not. The engine panics at some of them.
    pub(super) fn check(&self, document: &ExecutableDocument) -> Result<(), ServerError> {
        for (_, operation) in document.operations.iter() {
            for definition in &operation.node.variable_definitions {
                let name = innermost(&definition.node.var_type.node);
                if !self.names.contains(name) {
                    let message = format!("Unknown input type \"{name}\"");
                    return Err(error::invalid(message, Some(definition.pos)));
                }
            }
        }
        Ok(())
    }

    /// Makes the variables of the operation that will be executed what they are declared as.
    ///
    /// A document without such an operation is left to the engine.
    pub(super) fn coerce(
        &self,
        document: &ExecutableDocument,
        operation_name: Option<&str>,
        variables: &mut Variables,
    ) -> Result<(), ServerError> {
        let Some(operation) = chosen(document, operation_name) else { return Ok(()) };
        for definition in &operation.variable_definitions {
            let pos = definition.pos;
            let definition = &definition.node;
            let name = &definition.name.node;
            let Some(value) = variables.get_mut(name) else { continue };
            let place = Place { inside: None, step: Step::Variable(name) };
            self.value(value, &definition.var_type.node, &place)
                .map_err(|NoInt(message)| error::invalid(message, Some(pos)))?;
        }
        Ok(())
    }

    /// As deep as the JSON is nested, which has a limit.
    fn value(&self, value: &mut Value, ty: &Type, place: &Place<'_>) -> Result<(), NoInt> {
        match (&ty.base, value) {
            (_, Value::Null) => Ok(()),
            (BaseType::List(inner), Value::List(items)) => {
                let mut items = items.iter_mut().enumerate();
                items.try_for_each(|(n, item)| self.value(item, inner, &place.index(n)))
            }
            // One value stands for a list of it.
            (BaseType::List(inner), value) => self.value(value, inner, place),
            (BaseType::Named(name), value) if name.as_str() == "Int" => int(value, place),
            (BaseType::Named(name), Value::Object(fields)) => {
                let Some(types) = self.objects.get(name) else { return Ok(()) };
                fields.iter_mut().try_for_each(|(name, value)| match types.get(name) {
                    Some(ty) => self.value(value, ty, &place.field(name)),
                    None => Ok(()),
                })
            }
            (BaseType::Named(_), _) => Ok(()),
        }
    }
}

/// What is said of a value that is no `Int`.
struct NoInt(String);

fn int(value: &mut Value, place: &Place<'_>) -> Result<(), NoInt> {
    let number = match &*value {
        Value::String(text) if is_written_plainly(text) => text.parse::<i32>().ok(),
        Value::Number(number) => whole(number),
        _ => None,
    };
    let Some(number) = number else {
        // Not what it is instead: that may be anything.
        let message = format!("Variable {place} has an invalid value: it is not an Int of 32 bits");
        return Err(NoInt(message));
    };
    *value = Value::Number(Number::from(number));
    Ok(())
}

/// The whole number that this is, also if it is written as `1.0`: some languages know no other
/// numbers.
fn whole(number: &Number) -> Option<i32> {
    if let Some(number) = number.as_i64() {
        return number.try_into().ok();
    }
    let number = number.as_f64()?;
    let in_range = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    #[allow(clippy::cast_possible_truncation)] // it is whole and in range
    (in_range && number.fract() == 0.0).then_some(number as i32)
}

/// Whether a text is a whole number as GraphQL writes one: no plus, no leading zeros, no blanks.
fn is_written_plainly(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain && (digits == "0" || !digits.starts_with('0'))
}

/// The operation that the engine will execute.
pub(super) fn chosen<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a OperationDefinition> {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.values().next()
        }
        (DocumentOperations::Multiple(_), None) => None,
    };
    operation.map(|operation| &operation.node)
}

/// The type in lists.
pub(super) fn innermost(ty: &Type) -> &Name {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(item) => innermost(item),
    }
}

/// Where in the variables a value is. Written out only if something is wrong there.
#[derive(Clone, Copy)]
struct Place<'a> {
    inside: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Variable(&'a Name),
    Field(&'a Name),
    Index(usize),
}

impl<'a> Place<'a> {
    fn field(&'a self, name: &'a Name) -> Self {
        Self { inside: Some(self), step: Step::Field(name) }
    }

    fn index(&'a self, index: usize) -> Self {
        Self { inside: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(inside) = self.inside {
            inside.fmt(f)?;
        }
        match self.step {
            Step::Variable(name) => write!(f, "${name}"),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::{parse_query, parse_schema};
    use serde_json::{Value as Json, json};

    use super::*;

    const SDL: &str = "
        type Query { a: Int }
        input Page { start: Int count: Int! name: String ids: [Int!] pages: [Page!] long: Long }
        scalar Long
    ";

    fn coerce(declared: &str, value: &Json) -> Result<Json, String> {
        let document = parse_query(format!("query ($v: {declared}) {{ a }}")).unwrap();
        let mut variables = Variables::from_json(json!({ "v": value }));
        let types = InputTypes::of(&parse_schema(SDL).unwrap());
        types.coerce(&document, None, &mut variables).map_err(|error| error.message)?;
        Ok(variables["v"].clone().into_json().unwrap())
    }

    #[test]
    fn texts_are_numbers_where_an_int_is_declared() {
        assert_eq!(coerce("Int", &json!("20")).unwrap(), json!(20));
        assert_eq!(coerce("Int!", &json!("0")).unwrap(), json!(0));
        assert_eq!(coerce("Int", &json!("-7")).unwrap(), json!(-7));
        assert_eq!(coerce("Int", &json!(7.0)).unwrap(), json!(7), "some languages know no others");
        assert_eq!(coerce("Int", &json!(-2147483648.0)).unwrap(), json!(i32::MIN));
        assert_eq!(coerce("[Int!]!", &json!(["1", 2, null])).unwrap(), json!([1, 2, null]));
        assert_eq!(coerce("[[Int]]", &json!("1")).unwrap(), json!(1));
        let page = json!({ "start": "1", "count": 2, "name": "3", "ids": ["4"], "long": "5",
            "pages": [{ "start": "6", "other": "7" }] });
        let coerced = json!({ "start": 1, "count": 2, "name": "3", "ids": [4], "long": "5",
            "pages": [{ "start": 6, "other": "7" }] });
        assert_eq!(coerce("Page!", &page).unwrap(), coerced);
        assert_eq!(coerce("[Page]", &json!([page])).unwrap(), json!([coerced]));
    }

    #[test]
    fn nothing_else_is_made_a_number() {
        for (declared, value) in [
            ("String", json!("20")),
            ("[String!]", json!(["20"])),
            ("Long", json!("20")),
            ("Unknown", json!({ "start": "20" })),
            ("Int", json!(null)),
            ("Page", json!(null)),
            ("Page", json!("20")),
        ] {
            assert_eq!(coerce(declared, &value).unwrap(), value, "{declared}");
        }
    }

    #[test]
    fn what_is_no_int_is_refused_by_its_place_and_not_repeated() {
        for bad in [
            json!("1e99"),
            json!(" 7"),
            json!("7 "),
            json!("0x10"),
            json!("99999999999"),
            json!(99_999_999_999_i64),
            json!(1.5),
            json!(2147483648.0),
            json!(1e300),
            json!("1.0"),
            json!("+1"),
            json!("007"),
            json!("-0 "),
            json!(""),
            json!("-"),
            json!("٣"),
            json!(true),
            json!({}),
            json!([1]),
        ] {
            let told = coerce("Page", &json!({ "pages": [{}, { "start": bad }] })).unwrap_err();
            let expected = "Variable $v.pages[1].start has an invalid value: it is not an Int of \
                            32 bits";
            assert_eq!(told, expected, "{bad}");
        }
    }

    #[test]
    fn the_variables_are_those_of_the_operation_that_is_chosen() {
        let document = parse_query("query a($v: Int) { a } query b($v: String) { a }").unwrap();
        let types = InputTypes::of(&parse_schema(SDL).unwrap());
        for (name, expected) in [
            (Some("a"), json!(1)),
            (Some("b"), json!("1")),
            (Some("c"), json!("1")),
            (None, json!("1")),
        ] {
            let mut variables = Variables::from_json(json!({ "v": "1" }));
            types.coerce(&document, name, &mut variables).unwrap();
            assert_eq!(variables["v"].clone().into_json().unwrap(), expected, "{name:?}");
        }
    }

    #[test]
    fn variables_of_types_that_are_not_there_are_refused() {
        let schema = format!("{SDL} enum Color {{ RED }} interface Node {{ id: ID }}");
        let types = InputTypes::of(&parse_schema(schema).unwrap());
        let check = |declared: &str| {
            let document = parse_query(format!("query ($v: {declared}) {{ a }}")).unwrap();
            types.check(&document).map_err(|error| error.message)
        };
        for known in ["Int", "[Int!]!", "Page = {}", "[[Long]] = 1", "Color", "ID", "Float!"] {
            assert_eq!(check(known), Ok(()), "{known}");
        }
        for (unknown, name) in [
            ("[Nope] = 1", "Nope"),
            ("[[Nope!]!]! = [[1]]", "Nope"),
            ("Nope", "Nope"),
            ("Query", "Query"),
            ("[Node] = 1", "Node"),
        ] {
            assert_eq!(check(unknown), Err(format!("Unknown input type \"{name}\"")));
        }
        let many = parse_query("query a { a } query b ($v: [Nope] = 1) { a }").unwrap();
        assert!(types.check(&many).is_err());
    }
}
