use std::collections::HashMap;

use async_graphql::{
    Name, Number, Pos, ServerError, Value, Variables,
    parser::{
        parse_schema,
        types::{
            BaseType, DocumentOperations, ExecutableDocument, OperationDefinition, Type, TypeKind,
            TypeSystemDefinition,
        },
    },
};

use super::error;

/// The types of the fields of input objects, by which texts for `Int` are found in variables.
///
/// DataHub's own users write `"20"` for a `count`, and its engine once took that. This one takes
/// no text for a number, so such texts are made numbers before it sees them; only what stands for
/// an `Int`, and only if it is written as one.
#[derive(Debug, Default)]
pub(super) struct InputTypes {
    objects: HashMap<Name, HashMap<Name, Type>>,
}

impl InputTypes {
    /// Takes them from a schema, as it prints itself.
    pub(super) fn from_sdl(sdl: &str) -> Self {
        let mut objects = HashMap::new();
        // What a schema prints is a schema.
        let definitions = parse_schema(sdl).map(|schema| schema.definitions).unwrap_or_default();
        for definition in definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let definition = definition.node;
            let TypeKind::InputObject(object) = definition.kind else { continue };
            let fields = object.fields.into_iter().map(|field| field.node);
            let fields = fields.map(|field| (field.name.node, field.ty.node)).collect();
            objects.insert(definition.name.node, fields);
        }
        Self { objects }
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
            let place = Place { pos, path: format!("${name}") };
            self.value(value, &definition.var_type.node, &place)?;
        }
        Ok(())
    }

    /// As deep as the JSON is nested, which has a limit.
    fn value(&self, value: &mut Value, ty: &Type, place: &Place) -> Result<(), ServerError> {
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

fn int(value: &mut Value, place: &Place) -> Result<(), ServerError> {
    let number = match &*value {
        Value::String(text) if is_written_plainly(text) => text.parse::<i32>().ok(),
        Value::Number(number) => number.as_i64().and_then(|number| number.try_into().ok()),
        _ => None,
    };
    let Some(number) = number else {
        // Not what it is instead: that may be anything.
        let path = &place.path;
        return Err(error::bad_variable(
            format!("Variable {path} has an invalid value: it is not an Int of 32 bits"),
            place.pos,
        ));
    };
    *value = Value::Number(Number::from(number));
    Ok(())
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

/// Where in the variables a value is.
struct Place {
    pos: Pos,
    path: String,
}

impl Place {
    fn field(&self, name: &Name) -> Self {
        Self { pos: self.pos, path: format!("{}.{name}", self.path) }
    }

    fn index(&self, index: usize) -> Self {
        Self { pos: self.pos, path: format!("{}[{index}]", self.path) }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
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
        let types = InputTypes::from_sdl(SDL);
        types.coerce(&document, None, &mut variables).map_err(|error| error.message)?;
        Ok(variables["v"].clone().into_json().unwrap())
    }

    #[test]
    fn texts_are_numbers_where_an_int_is_declared() {
        assert_eq!(coerce("Int", &json!("20")).unwrap(), json!(20));
        assert_eq!(coerce("Int!", &json!("0")).unwrap(), json!(0));
        assert_eq!(coerce("Int", &json!("-7")).unwrap(), json!(-7));
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
        let types = InputTypes::from_sdl(SDL);
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
}
