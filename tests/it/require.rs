//! Who gets through the second layer, and what a handler may ask for itself.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{Request, header};
use tower::{Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer};
use tower_pat::{
    Authentication, Privilege, RequirePrivilegeLayer,
    actor::{Actor, Urn},
    backend::{BoxFuture, StoreError},
    policy::{
        ActorFilter, FactSet, Field, Owner, Policy, Requirement, Resource, ResourceFacts,
        parse_policies,
    },
    rejection::Rejection,
    require::AuthorizeError,
};

use crate::support::{Answer, IntoAnswer, World, answer, request, urn, user, who_am_i, with_token};

fn policy(body: &str) -> Policy {
    let json = format!(
        r#"{{"urn":"urn:li:dataHubPolicy:test","info":{{"displayName":"test","description":"",
            "state":"ACTIVE",{body}}}}}"#
    );
    parse_policies(&json).unwrap().remove(0).info
}

fn platform() -> Policy {
    policy(r#""type":"PLATFORM","privileges":["MANAGE_TAGS"],"actors":{"allUsers":true}"#)
}

fn owners() -> Policy {
    policy(
        r#""type":"METADATA","privileges":["EDIT_ENTITY"],"actors":{"resourceOwners":true},
           "resources":{"filter":{"criteria":[{"field":"TYPE","values":["dataset"]}]}}"#,
    )
}

fn not_secret() -> Policy {
    policy(
        r#""type":"METADATA","privileges":["VIEW_ENTITY_PAGE"],"actors":{"allUsers":true},
           "resources":{"filter":{"criteria":[
             {"field":"TAG","values":["urn:li:tag:secret"],"condition":"NOT_EQUALS"}]}}"#,
    )
}

fn alice(policies: impl IntoIterator<Item = Policy>) -> Authentication {
    Authentication::for_tests(Actor::new(user("alice")), policies)
}

fn dataset() -> Urn {
    urn("urn:li:dataset:orders")
}

/// Says that Alice owns everything and nothing has a tag, unless it is down or knows nothing.
#[derive(Debug, Default)]
struct Facts {
    is_down: AtomicBool,
    knows_nothing: AtomicBool,
}

impl ResourceFacts for Facts {
    fn facts<'a>(
        &'a self,
        resource: &'a Resource,
        _: FactSet,
    ) -> BoxFuture<'a, Result<Resource, StoreError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if self.is_down.load(Ordering::SeqCst) {
                return Err(StoreError::unavailable("no answer"));
            }
            let resource = resource.clone();
            if self.knows_nothing.load(Ordering::SeqCst) {
                return Ok(resource);
            }
            Ok(resource
                .with_owners([Owner::new("urn:li:corpuser:alice")])
                .with_field(Field::Tag, [""; 0]))
        })
    }
}

async fn through(layer: RequirePrivilegeLayer, request: Request<String>) -> Answer {
    answer(&layer, request).await
}

fn by(authentication: Authentication) -> Request<String> {
    let mut request = request();
    request.extensions_mut().insert(authentication);
    request
}

#[tokio::test]
async fn a_missing_privilege_is_403_and_named() {
    let layer = RequirePrivilegeLayer::new(Privilege::MANAGE_POLICIES);
    let answer = through(layer, by(alice([platform()]))).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "privilege_missing"));
    assert_eq!(answer.challenge(), Some(r#"Bearer realm="datahub", error="insufficient_scope""#));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("MANAGE_POLICIES") && detail.contains("urn:li:corpuser:alice"));
}

#[tokio::test]
async fn any_of_all_of_is_any_of_all_of() {
    let edit = policy(r#""type":"PLATFORM","privileges":["A","B"],"actors":{"allUsers":true}"#);
    let [a, b, c] = ["A", "B", "C"].map(Privilege::new);
    for (requirement, status) in [
        (Requirement::all_of([a.clone(), b.clone()]), 200),
        (Requirement::all_of([a.clone(), c.clone()]), 403),
        (Requirement::any_of([c.clone(), a.clone()]), 200),
        (Requirement::all_of([c.clone()]).or(Requirement::all_of([a.clone(), b])), 200),
        (Requirement::any_of([]), 403),
        (Requirement::all_of([]), 403),
        (Requirement::from(c).and(Requirement::from(a)), 403),
    ] {
        let text = requirement.to_string();
        let layer = RequirePrivilegeLayer::new(requirement);
        assert_eq!(through(layer, by(alice([edit.clone()]))).await.status, status, "{text}");
    }
}

#[tokio::test]
async fn nobody_is_401_and_no_layer_is_500() {
    let world = World::new().await;
    let require = RequirePrivilegeLayer::new(Privilege::MANAGE_TAGS);
    let stack = |authenticate| ServiceBuilder::new().layer(authenticate).layer(require.clone());

    let none = through(require.clone(), request()).await;
    assert_eq!((none.status, none.code().as_str()), (500, "not_authenticated"));
    assert!(none.json()["detail"].as_str().unwrap().contains("AuthenticateLayer"));

    let anonymous = answer(&stack(world.layer().optional()).into_inner(), request()).await;
    assert_eq!((anonymous.status, anonymous.code().as_str()), (401, "missing_token"));
    assert_eq!(anonymous.challenge(), Some(r#"Bearer realm="datahub""#));

    let excluded = world.layer().exclude(["/entities/*"]);
    assert_eq!(answer(&stack(excluded).into_inner(), request()).await.status, 500);

    let token = world.mint().await.token;
    let refused = answer(&stack(world.layer()).into_inner(), with_token(token.expose())).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn the_resource_is_taken_from_the_request() {
    let layer = RequirePrivilegeLayer::new(Privilege::VIEW_ENTITY_PAGE).on_urn("/entities/");
    let at = |path: &str| {
        let mut request = by(alice([]));
        *request.uri_mut() = path.parse().unwrap();
        request
    };
    // View Self: everybody may view themselves.
    assert_eq!(through(layer.clone(), at("/entities/urn:li:corpuser:alice")).await.status, 200);
    let other = through(layer.clone(), at("/entities/urn:li:corpuser:bob")).await;
    assert_eq!(other.status, 403);
    assert!(other.body.contains("urn:li:corpuser:bob"), "{}", other.body);
    // What is encoded is asked about as the handler will see it.
    let encoded = through(layer.clone(), at("/entities/urn:li:corpuser:%61lice")).await;
    assert_eq!(encoded.status, 200);
    let encoded = through(layer.clone(), at("/entities/urn:li:corpuser:%62ob")).await;
    assert!(encoded.body.contains("urn:li:corpuser:bob"), "{}", encoded.body);
    assert_eq!(through(layer, at("/entities/bob")).await.status, 400);
}

#[tokio::test]
async fn what_hangs_on_unknown_facts_is_never_granted() {
    let auth = alice([owners(), not_secret()]);
    let unknown = Resource::from(dataset());
    for privilege in [Privilege::EDIT_ENTITY, Privilege::VIEW_ENTITY_PAGE] {
        for refused in [
            auth.require_on(privilege.clone(), &unknown).unwrap_err(),
            auth.authorize(privilege.clone(), dataset()).await.unwrap_err(),
        ] {
            assert!(matches!(refused, AuthorizeError::Indeterminate { .. }), "{refused}");
            assert_eq!(Rejection::from(refused).status(), 403);
        }
        let known = unknown.clone().with_owners([Owner::new("urn:li:corpuser:alice")]);
        let known = known.with_no_other_facts();
        assert!(auth.require_on(privilege, &known).is_ok());
    }
}

#[tokio::test]
async fn unknown_facts_are_asked_for_and_their_outage_is_503() {
    let facts = Arc::new(Facts::default());
    let auth = alice([owners(), not_secret()]).with_facts(facts.clone());
    let layer = RequirePrivilegeLayer::new(Privilege::EDIT_ENTITY)
        .on(|_| Ok(Resource::from(urn("urn:li:dataset:orders"))));

    assert!(auth.authorize(Privilege::EDIT_ENTITY, dataset()).await.is_ok());
    assert!(auth.authorize(Privilege::VIEW_ENTITY_PAGE, dataset()).await.is_ok());
    assert_eq!(through(layer.clone(), by(auth.clone())).await.status, 200);

    facts.knows_nothing.store(true, Ordering::SeqCst);
    let answer = through(layer.clone(), by(auth.clone())).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "privilege_indeterminate"));

    facts.is_down.store(true, Ordering::SeqCst);
    let answer = through(layer, by(auth.clone())).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    let error = auth.authorize(Privilege::EDIT_ENTITY, dataset()).await.unwrap_err();
    assert!(matches!(error, AuthorizeError::Facts(_)));
}

/// `ConcurrencyLimit` panics if `call` comes without `poll_ready` on the same service.
#[tokio::test]
async fn the_service_that_was_polled_ready_is_the_one_that_is_called_once_the_facts_are_there() {
    let facts = Arc::new(Facts::default());
    let auth = alice([owners()]).with_facts(facts.clone());
    let mut service = ServiceBuilder::new()
        .layer(
            RequirePrivilegeLayer::new(Privilege::EDIT_ENTITY)
                .on(|_| Ok(Resource::from(urn("urn:li:dataset:orders")))),
        )
        .layer(ConcurrencyLimitLayer::new(1))
        .service(who_am_i());
    for status in [200, 200, 403, 403, 200] {
        facts.knows_nothing.store(status == 403, Ordering::SeqCst);
        let response = service.ready().await.unwrap().call(by(auth.clone())).await;
        assert_eq!(response.unwrap().into_answer().await.status, status);
    }
}

/// Knows everything of another resource than the one it is asked about.
#[derive(Debug)]
struct Renames;

impl ResourceFacts for Renames {
    fn facts<'a>(
        &'a self,
        _: &'a Resource,
        _: FactSet,
    ) -> BoxFuture<'a, Result<Resource, StoreError>> {
        let other = Resource::from(urn("urn:li:dataset:alices"));
        let owned = other.with_owners([Owner::new("urn:li:corpuser:alice")]);
        Box::pin(async move { Ok(owned.with_no_other_facts()) })
    }
}

#[tokio::test]
async fn facts_of_another_resource_decide_nothing() {
    let auth = alice([owners()]).with_facts(Arc::new(Renames));
    let error = auth.authorize(Privilege::EDIT_ENTITY, dataset()).await.unwrap_err();
    assert!(matches!(error, AuthorizeError::Facts(_)), "{error}");
    assert!(auth.authorize(Privilege::EDIT_ENTITY, urn("urn:li:dataset:alices")).await.is_ok());
}

#[tokio::test]
async fn sub_resources_must_satisfy_the_constraint() {
    let tagger = Policy {
        actors: ActorFilter { all_users: true, ..ActorFilter::default() },
        ..policy(
            r#""type":"METADATA","privileges":["EDIT_ENTITY_TAGS"],"actors":{},
               "resources":{"filter":{"criteria":[]},"privilegeConstraints":{"criteria":[
                 {"field":"URN","values":["urn:li:tag:pii"],"condition":"EQUALS"}]}}"#,
        )
    };
    let auth = alice([tagger]);
    let tag = |id: &str| Resource::from(urn(&format!("urn:li:tag:{id}")));
    let may = async |tags: &[Resource]| {
        auth.authorize_with(Privilege::EDIT_ENTITY_TAGS, dataset(), tags).await.is_ok()
    };
    assert!(may(&[]).await);
    assert!(may(&[tag("pii")]).await);
    assert!(!may(&[tag("pii"), tag("gold")]).await);
}
