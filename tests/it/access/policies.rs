//! Policies, and what they come to.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::json;
use tower_pat::{
    Access,
    access::{AccessError, AccessErrorKind, Caller, GrantedPrivileges, PolicyQuery, Roles},
    actor::{DirectoryStore, GroupKind, Urn},
    backend::{BoxFuture, StoreError},
    policy::{
        FactSet, Field, Policy, PolicyRecord, PolicyStore, Resource, ResourceFacts,
        default_policies,
    },
    store::{MemoryStore, Store},
};

use super::{
    GENERATE, POLICIES, Place, TOKENS, USERS, caller, cases, granting, seen, watched::Watched,
};
use crate::support::{config, urn, user};

cases! {
    a_new_policy_is_editable_and_dated
    an_update_keeps_roles_unless_they_are_given
    what_is_not_editable_stays
    policies_are_listed_in_an_order
    privileges_are_those_of_the_listing
    debugging_says_where_it_comes_from
}

fn manager() -> Caller {
    caller("zoe", &[POLICIES])
}

fn policy(name: &str) -> Policy {
    let mut policy = granting("bob", &[GENERATE]);
    policy.display_name = name.to_owned();
    policy
}

async fn a_new_policy_is_editable_and_dated<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let mut wanted = policy("new");
    wanted.editable = false;
    wanted.actors.roles = vec!["urn:li:dataHubRole:Reader".to_owned()];
    let urn = place.access.create_policy(&manager(), wanted.clone()).await.unwrap();
    assert_eq!((urn.entity_type(), urn.key().len()), ("dataHubPolicy", 36));
    let stored = place.store.policy(&urn).await.unwrap().unwrap().info;
    wanted.editable = true;
    wanted.last_updated_timestamp = Some(1_750_000_000_000);
    assert_eq!(stored, wanted);

    // The eleven fields there are, in capitals.
    for (field, good) in [
        ("TYPE", true),
        ("RESOURCE_TYPE", true),
        ("URN", true),
        ("RESOURCE_URN", true),
        ("OWNER", true),
        ("DOMAIN", true),
        ("CONTAINER", true),
        ("GLOSSARY", true),
        ("TAG", true),
        ("DATA_PLATFORM_INSTANCE", true),
        ("GROUP_MEMBERSHIP", true),
        ("type", false),
        ("PARENT_DOMAIN", false),
        ("", false),
        ("TYPE ", false),
    ] {
        for part in ["filter", "privilegeConstraints"] {
            let criteria = json!({ "criteria": [{ "field": field, "values": [] }] });
            let mut wanted = policy("filtered");
            wanted.resources = Some(serde_json::from_value(json!({ part: criteria })).unwrap());
            let result = place.access.create_policy(&manager(), wanted.clone()).await;
            let update = place.access.update_policy(&manager(), &urn, wanted, Roles::Keep).await;
            if good {
                result.unwrap();
                update.unwrap();
            } else {
                assert_eq!(seen(result).0, AccessErrorKind::BadRequest, "{field}");
                assert_eq!(seen(update).0, AccessErrorKind::BadRequest, "{field}");
            }
        }
    }
}

async fn an_update_keeps_roles_unless_they_are_given<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let reader = || vec!["urn:li:dataHubRole:Reader".to_owned()];
    let mut first = policy("first");
    first.actors.roles = reader();
    let urn = place.access.create_policy(&manager(), first).await.unwrap();
    let update = async |roles| {
        place.clock.advance(std::time::Duration::from_secs(1));
        let mut wanted = policy("second");
        wanted.actors.roles = vec!["not looked at".to_owned()];
        wanted.editable = false;
        let updated = place.access.update_policy(&manager(), &urn, wanted, roles).await.unwrap();
        assert_eq!(updated, urn);
        place.store.policy(&urn).await.unwrap().unwrap().info
    };
    let stored = update(Roles::Keep).await;
    assert_eq!((stored.display_name.as_str(), &stored.actors.roles), ("second", &reader()));
    assert!(stored.editable);
    assert_eq!(stored.last_updated_timestamp, Some(1_750_000_001_000));
    assert_eq!(update(Roles::Set(vec![])).await.actors.roles, Vec::<String>::new());
    assert_eq!(update(Roles::Set(reader())).await.actors.roles, reader());
    assert_eq!(update(Roles::Keep).await.actors.roles, reader());
}

async fn what_is_not_editable_stays<S: Store + Clone>(store: S) {
    let place = Place::with(store, config().dangerous_system_actor(user("system"))).await;
    place.store.put_policies(&default_policies()).await.unwrap();
    let update = async |caller: &Caller, id: &str| {
        let wanted = policy("updated");
        place.access.update_policy(caller, &urn(id), wanted, Roles::Keep).await.map(|_| ())
    };
    let delete = async |caller: &Caller, id: &str| {
        place.access.delete_policy(caller, &urn(id)).await.map(|_| ())
    };
    let before = place.access.list_policies(&manager(), &PolicyQuery::default()).await.unwrap();
    for policy in &before.policies {
        let id = policy.urn.as_str();
        if !policy.info.editable {
            let (kind, told, _) = seen(update(&manager(), id).await);
            assert_eq!(kind, AccessErrorKind::Forbidden, "{id}");
            assert_eq!(told, "Attempting to edit not editable policy.");
            let (kind, told, _) = seen(delete(&manager(), id).await);
            assert_eq!(kind, AccessErrorKind::Forbidden, "{id}");
            let is_system = ["0", "1"].contains(&policy.urn.key());
            assert_eq!(
                told,
                if is_system { SYSTEM } else { "Attempting to edit not editable policy." }
            );
        }
    }
    let unchanged = place.access.list_policies(&manager(), &PolicyQuery::default()).await;
    assert_eq!(unchanged.unwrap(), before);

    // An editable policy of such a name stays, too.
    let record = PolicyRecord { urn: urn("urn:li:dataHubPolicy:1"), info: policy("editable") };
    place.store.put_policies(&[record]).await.unwrap();
    assert_eq!(seen(delete(&manager(), "urn:li:dataHubPolicy:1").await).1, SYSTEM);
    update(&manager(), "urn:li:dataHubPolicy:1").await.unwrap();

    for odd in ["urn:li:dataHubPolicy:unknown", "urn:li:dataset:a", "urn:li:dataHubPolicy:2"] {
        let kind = if odd.contains("dataset") {
            AccessErrorKind::BadRequest
        } else {
            AccessErrorKind::NotFound
        };
        assert_eq!(seen(update(&manager(), odd).await).0, kind, "{odd}");
        assert_eq!(seen(delete(&manager(), odd).await).0, kind, "{odd}");
    }
    let editable = before.policies.iter().find(|policy| policy.info.editable).unwrap();
    delete(&manager(), editable.urn.as_str()).await.unwrap();
    assert_eq!(place.store.policy(&editable.urn).await.unwrap(), None);
}

async fn policies_are_listed_in_an_order<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let list = async |query: PolicyQuery| {
        let page = place.access.list_policies(&manager(), &query).await?;
        let ids: Vec<_> = page.policies.iter().map(|policy| policy.urn.key().to_owned()).collect();
        Ok::<_, AccessError>((ids.join(" "), page.total))
    };
    let query = PolicyQuery::default;
    assert_eq!(list(query()).await.unwrap(), ("of-alice of-bob of-max".to_owned(), 3));
    assert_eq!(list(query().page(1, 1)).await.unwrap(), ("of-bob".to_owned(), 3));
    assert_eq!(list(query().text("OF BOB")).await.unwrap(), ("of-bob".to_owned(), 1));
    assert_eq!(list(query().text("of-A")).await.unwrap(), ("of-alice".to_owned(), 1));
    assert_eq!(list(query().text("%")).await.unwrap(), (String::new(), 0));
    assert_eq!(list(query().page(9, 5)).await.unwrap(), (String::new(), 3));
    assert_eq!(seen(list(query().page(0, 1_001)).await).0, AccessErrorKind::BadRequest);
}

fn on_datasets(name: &str, state: &str, privilege: &str, criteria: &serde_json::Value) -> Policy {
    serde_json::from_value(json!({
        "displayName": name, "type": "METADATA", "state": state, "privileges": [privilege],
        "actors": { "groups": ["urn:li:corpGroup:sales"] },
        "resources": { "filter": { "criteria": criteria } },
    }))
    .unwrap()
}

async fn privileges_are_those_of_the_listing<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    place
        .store
        .set_groups(&user("bob"), GroupKind::Native, &[urn("urn:li:corpGroup:sales")])
        .await
        .unwrap();
    let datasets = json!([{ "field": "TYPE", "values": ["dataset"] }]);
    for (number, info) in [
        on_datasets("draft", "DRAFT", "EDIT_ENTITY_DOCS", &datasets),
        on_datasets("off", "INACTIVE", "EDIT_ENTITY_TAGS", &datasets),
        on_datasets("on", "ACTIVE", "EDIT_ENTITY", &datasets),
    ]
    .into_iter()
    .enumerate()
    {
        let urn = urn(&format!("urn:li:dataHubPolicy:datasets-{number}"));
        place.store.put_policies(&[PolicyRecord { urn, info }]).await.unwrap();
    }
    let of_bob = || GrantedPrivileges::new(user("bob"));
    let listed = async |caller: &Caller, request| {
        Ok::<_, AccessError>(place.access.granted_privileges(caller, request).await?.privileges)
    };
    let bob = caller("bob", &[]);
    assert_eq!(listed(&bob, of_bob()).await.unwrap(), [GENERATE]);
    let on = of_bob().on("dataset", "urn:li:dataset:a");
    // All states but INACTIVE.
    let all = ["EDIT_ENTITY", "EDIT_ENTITY_DOCS", GENERATE];
    assert_eq!(listed(&bob, on).await.unwrap(), all);
    assert_eq!(listed(&bob, of_bob().on("dataset", "")).await.unwrap(), all);
    let itself = of_bob().on("corpuser", "urn:li:corpuser:bob");
    let listed_on_itself = listed(&bob, itself).await.unwrap();
    assert!(listed_on_itself.contains(&"VIEW_ENTITY_PAGE".to_owned()));
    // The type that is asked about counts, and the urn need not agree.
    let other_type = of_bob().on("chart", "urn:li:dataset:a");
    assert_eq!(listed(&bob, other_type).await.unwrap(), [GENERATE]);
    // Managers ask for everybody, also for who is not there.
    assert_eq!(listed(&manager(), of_bob()).await.unwrap(), [GENERATE]);
    let nobody = GrantedPrivileges::new(user("nobody-there"));
    assert_eq!(listed(&manager(), nobody).await.unwrap(), Vec::<String>::new());

    let (kind, told, _) = seen(listed(&caller("alice", &[TOKENS, USERS]), of_bob()).await);
    assert_eq!(kind, AccessErrorKind::Forbidden);
    assert_eq!(told, "Unauthorized to get privileges for the given author.");
    let malformed = of_bob().on("dataset", "not a urn");
    assert_eq!(seen(listed(&bob, malformed).await).0, AccessErrorKind::BadRequest);
    let group = GrantedPrivileges::new(urn("urn:li:corpGroup:sales"));
    assert_eq!(seen(listed(&manager(), group).await).0, AccessErrorKind::BadRequest);

    // Why not, for managers alone.
    let details = of_bob().on("chart", "urn:li:chart:a").details();
    let grants = place.access.granted_privileges(&bob, details.clone()).await.unwrap();
    assert_eq!(grants.evaluation, None);
    let grants = place.access.granted_privileges(&manager(), details).await.unwrap();
    let mut reasons = grants.evaluation.unwrap();
    reasons.sort_unstable();
    let reason = |name: &str, why: &str| (name.to_owned(), why.to_owned());
    assert_eq!(
        reasons,
        [
            reason("draft", "Resource does not match"),
            reason("of alice", "Actor did not match"),
            reason("of max", "Actor did not match"),
            reason("off", "Inactive Policy"),
            reason("on", "Resource does not match"),
        ]
    );
    assert_eq!(
        place.access.granted_privileges(&manager(), of_bob()).await.unwrap().evaluation,
        None
    );
}

async fn debugging_says_where_it_comes_from<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let (sales, legal) = ([urn("urn:li:corpGroup:sales")], [urn("urn:li:corpGroup:legal")]);
    let (reader, editor) = ([urn("urn:li:dataHubRole:Reader")], [urn("urn:li:dataHubRole:Editor")]);
    place.store.set_groups(&user("bob"), GroupKind::Native, &sales).await.unwrap();
    place.store.set_groups(&user("bob"), GroupKind::External, &legal).await.unwrap();
    place.store.set_roles(&user("bob"), &reader).await.unwrap();
    place.store.set_roles(&legal[0], &editor).await.unwrap();
    let mut for_editors = granting("nobody", &["MANAGE_TAGS"]);
    for_editors.actors.roles = vec![editor[0].to_string()];
    let mut draft = for_editors.clone();
    draft.state = "DRAFT".to_owned();
    draft.privileges.push(tower_pat::Privilege::MANAGE_DOMAINS);
    for (id, info) in [("editors", for_editors), ("draft", draft)] {
        let urn = urn(&format!("urn:li:dataHubPolicy:{id}"));
        place.store.put_policies(&[PolicyRecord { urn, info }]).await.unwrap();
    }
    let manager = caller("zoe", &[USERS]);
    let found = place.access.debug_access(&manager, &user("bob")).await.unwrap();
    let texts = |urns: &[&Urn]| -> Vec<String> { urns.iter().map(ToString::to_string).collect() };
    assert_eq!(found.roles, texts(&[&reader[0]]));
    assert_eq!(found.groups, texts(&[&legal[0], &sales[0]]));
    assert_eq!(found.groups_with_roles, texts(&[&legal[0]]));
    assert_eq!(found.roles_via_groups, texts(&[&editor[0]]));
    assert_eq!(found.all_roles, texts(&[&editor[0], &reader[0]]));
    assert_eq!(found.policies, ["urn:li:dataHubPolicy:editors", "urn:li:dataHubPolicy:of-bob"]);
    assert_eq!(found.privileges, [GENERATE, "MANAGE_TAGS"]);
    let (kind, ..) = seen(place.access.debug_access(&manager, &user("nobody-there")).await);
    assert_eq!(kind, AccessErrorKind::NotFound);
}

/// Says that everything is tagged so, or fails.
#[derive(Debug)]
struct Tagged(Option<&'static str>);

impl ResourceFacts for Tagged {
    fn facts<'a>(
        &'a self,
        resource: &'a Resource,
        _: FactSet,
    ) -> BoxFuture<'a, Result<Resource, StoreError>> {
        Box::pin(async move {
            match self.0 {
                Some(tag) => Ok(resource.clone().with_field(Field::Tag, [tag])),
                None => Err(StoreError::unavailable("down")),
            }
        })
    }
}

#[tokio::test]
async fn facts_are_asked_for_and_unknown_ones_never_grant() {
    let place = Place::new(MemoryStore::default()).await;
    place
        .store
        .set_groups(&user("bob"), GroupKind::Native, &[urn("urn:li:corpGroup:sales")])
        .await
        .unwrap();
    let not_secret =
        json!([{ "field": "TAG", "values": ["urn:li:tag:secret"], "condition": "NOT_EQUALS" }]);
    let info = on_datasets("open", "ACTIVE", "EDIT_ENTITY", &not_secret);
    let record = PolicyRecord { urn: urn("urn:li:dataHubPolicy:open"), info };
    place.store.put_policies(&[record]).await.unwrap();
    let ask = async |access: &Access| {
        let request = GrantedPrivileges::new(user("bob")).on("dataset", "urn:li:dataset:a");
        access.granted_privileges(&manager(), request.details()).await
    };
    let without = ask(&place.access).await.unwrap();
    assert_eq!(without.privileges, [GENERATE]);
    let reasons = without.evaluation.unwrap();
    assert!(reasons.contains(&("open".to_owned(), "Not known of the resource: TAG".to_owned())));
    let with = |tag| place.access.clone().facts(Arc::new(Tagged(tag)));
    let open = ask(&with(Some("urn:li:tag:open"))).await.unwrap();
    assert_eq!(open.privileges, ["EDIT_ENTITY", GENERATE]);
    assert_eq!(ask(&with(Some("urn:li:tag:secret"))).await.unwrap().privileges, [GENERATE]);
    assert_eq!(seen(ask(&with(None)).await).0, AccessErrorKind::Unavailable);
    // Without a resource nobody is asked.
    let request = GrantedPrivileges::new(user("bob"));
    with(None).granted_privileges(&manager(), request).await.unwrap();
}

const SYSTEM: &str = "System policies can not be deleted.";

/// A store where others change the policy right before each write, and how.
async fn contended(
    before: &'static str,
    act: fn(MemoryStore, u64) -> BoxFuture<'static, ()>,
) -> (Watched, Access) {
    let store = Watched::default();
    let record = PolicyRecord { urn: some(), info: policy("first") };
    store.put_policies(&[record]).await.unwrap();
    let access = Access::new(&config().build().unwrap(), Arc::new(store.clone()));
    let times = AtomicU64::new(0);
    store.before(before, move |store| act(store, times.fetch_add(1, Ordering::SeqCst)));
    (store, access)
}

fn some() -> Urn {
    urn("urn:li:dataHubPolicy:some")
}

fn put(store: MemoryStore, info: Policy) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        store.put_policies(&[PolicyRecord { urn: some(), info }]).await.unwrap();
    })
}

#[tokio::test]
async fn a_deleted_policy_does_not_come_back() {
    let (store, access) = contended("replace_policy", |store, _| {
        Box::pin(async move { store.delete_policy(&some()).await.map(drop).unwrap() })
    })
    .await;
    let refused = access.update_policy(&manager(), &some(), policy("second"), Roles::Keep).await;
    assert_eq!(seen(refused).0, AccessErrorKind::NotFound);
    assert_eq!(store.policy(&some()).await.unwrap(), None);
}

#[tokio::test]
async fn an_update_comes_after_what_others_did_in_between() {
    let reader = || vec!["urn:li:dataHubRole:Reader".to_owned()];
    let (store, access) = contended("replace_policy", |store, times| {
        let mut others = policy("of others");
        others.actors.roles = vec!["urn:li:dataHubRole:Reader".to_owned()];
        if times == 0 { put(store, others) } else { Box::pin(async {}) }
    })
    .await;
    access.update_policy(&manager(), &some(), policy("second"), Roles::Keep).await.unwrap();
    let stored = store.policy(&some()).await.unwrap().unwrap().info;
    assert_eq!((stored.display_name.as_str(), stored.actors.roles), ("second", reader()));
}

#[tokio::test]
async fn what_is_no_longer_editable_is_neither_updated_nor_deleted() {
    for before in ["replace_policy", "delete_policy_if"] {
        let (store, access) = contended(before, |store, _| {
            let mut fixed = policy("fixed");
            fixed.editable = false;
            put(store, fixed)
        })
        .await;
        let refused = if before == "replace_policy" {
            access.update_policy(&manager(), &some(), policy("second"), Roles::Keep).await
        } else {
            access.delete_policy(&manager(), &some()).await
        };
        assert_eq!(seen(refused).0, AccessErrorKind::Forbidden, "{before}");
        assert_eq!(store.policy(&some()).await.unwrap().unwrap().info.display_name, "fixed");
    }
}

#[tokio::test]
async fn what_others_do_not_stop_changing_is_a_conflict() {
    for before in ["replace_policy", "delete_policy_if"] {
        let (store, access) =
            contended(before, |store, times| put(store, policy(&format!("change {times}")))).await;
        let refused = if before == "replace_policy" {
            access.update_policy(&manager(), &some(), policy("second"), Roles::Keep).await
        } else {
            access.delete_policy(&manager(), &some()).await
        };
        assert_eq!(seen(refused).0, AccessErrorKind::Conflict, "{before}");
        let stored = store.policy(&some()).await.unwrap().unwrap().info;
        assert!(stored.display_name.starts_with("change"), "{before}");
    }
}
