use std::sync::Arc;

use async_graphql::{
    EmptySubscription, ObjectType, Request, Response, Schema, ServerError,
    parser::{parse_query, parse_schema, types::ExecutableDocument},
};

use super::{
    error,
    limit::{self, Limits},
    nulls::OutputTypes,
    request::Asked,
    user::Users,
    variables::InputTypes,
};
use crate::{
    access::{Access, Caller},
    authenticate::Authentication,
    backend::BoxFuture,
};

/// The library's engine with whatever roots, so that the service has no type parameters.
pub(super) trait Engine: Send + Sync {
    /// Reads a document, measures it, and makes the variables what they are declared as.
    fn prepare(&self, asked: Asked, limits: Limits) -> Result<Prepared, ServerError>;

    /// Validates and executes it.
    fn execute(&self, asked: Prepared, authentication: Authentication) -> BoxFuture<'_, Response>;

    fn sdl(&self) -> String;
}

/// What is ready to be executed.
pub(super) struct Prepared {
    request: Request,
    document: ExecutableDocument,
}

pub(super) fn engine<Q, M>(access: Access, query: Q, mutation: M) -> Arc<dyn Engine>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
{
    let schema = Schema::build(query, mutation, EmptySubscription)
        .data(access.clone())
        // Measured before; the library's own limit counts the same levels.
        .limit_recursive_depth(limit::NESTING)
        // What is asked for is not compared with every name there is, nor are such names told.
        .disable_suggestions()
        .finish();
    // What a schema prints is a schema, unless a root of somebody else has something in it that is
    // not printed well, such as a quotation of `"""` in a description. Without the types, variables
    // would not be judged.
    #[allow(clippy::panic)]
    let types = parse_schema(schema.sdl())
        .unwrap_or_else(|error| panic!("the schema does not print itself as one: {error}"));
    let (input_types, output_types) = (InputTypes::of(&types), OutputTypes::of(&types));
    Arc::new(Executor { schema, access, input_types, output_types })
}

struct Executor<Q, M> {
    schema: Schema<Q, M, EmptySubscription>,
    access: Access,
    input_types: InputTypes,
    output_types: OutputTypes,
}

impl<Q, M> Engine for Executor<Q, M>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
{
    fn prepare(&self, asked: Asked, limits: Limits) -> Result<Prepared, ServerError> {
        limit::check_text(asked.query())?;
        let document = parse_query(asked.query())
            .map_err(|error| error::syntax(error.positions().collect()))?;
        self.input_types.check(&document)?;
        // Some clients send an empty name for none.
        let name = asked.operation_name.filter(|name| !name.is_empty());
        let mut variables = asked.variables;
        self.input_types.coerce(&document, name.as_deref(), &mut variables)?;
        limits.check(&document, &variables)?;
        let mut request = Request::new("").variables(variables);
        request.operation_name = name;
        request.set_parsed_query(document.clone());
        Ok(Prepared { request, document })
    }

    fn execute(&self, asked: Prepared, authentication: Authentication) -> BoxFuture<'_, Response> {
        let Prepared { request, document } = asked;
        let operation_name = request.operation_name.clone();
        let caller = Caller::from(&authentication);
        let users = Users::new(self.access.clone(), caller.clone());
        let request = request.data(caller).data(users).data(authentication);
        Box::pin(async move {
            let mut response = self.schema.execute(request).await;
            self.output_types.propagate(&document, operation_name.as_deref(), &mut response);
            response
        })
    }

    fn sdl(&self) -> String {
        self.schema.sdl()
    }
}
