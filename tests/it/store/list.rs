use proptest::{collection::vec, option, prelude::*, test_runner::TestRunner};
use tokio::{runtime::Handle, task::block_in_place};
use tower_pat::{
    backend::StoreError,
    clock::Timestamp,
    token::{LastUse, Revocation, RevocationRule, RuleScope, TokenId, TokenRecord, TokenType},
    token_service::{
        TextTest, TimeTest, TokenFilter, TokenLookup, TokenOptional, TokenPage, TokenQuery,
        TokenSort, TokenStore, TokenTextField, TokenTimeField, TokenUses,
    },
};

use super::{Fixture, at, id, record, user};

fn not(filter: TokenFilter) -> TokenFilter {
    TokenFilter::Not(Box::new(filter))
}

fn text(field: TokenTextField, test: TextTest, value: &str) -> TokenFilter {
    TokenFilter::text(field, test, value)
}

fn created_before(seconds: i64) -> TokenFilter {
    TokenFilter::time(TokenTimeField::CreatedAt, TimeTest::Before, at(seconds))
}

const SORTS: [TokenSort; 4] =
    [TokenSort::ExpiresAt, TokenSort::CreatedAt, TokenSort::Name, TokenSort::LastUsedAt];

async fn ids(store: &impl TokenStore, query: TokenQuery) -> Vec<TokenId> {
    let page = store.list(&query).await.unwrap();
    page.tokens.iter().map(|record| record.id).collect()
}

pub(super) async fn a_list_has_what_was_not_revoked(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut expired = record(1);
    expired.expires_at = Some(at(101));
    store.insert(&expired).await.unwrap();
    for number in [2, 3] {
        store.insert(&record(number)).await.unwrap();
    }
    store.revoke(&id(2), &user("bob"), at(200)).await.unwrap();
    let page = store.list(&TokenQuery::default()).await.unwrap();
    assert_eq!(page, TokenPage::new(vec![record(3), expired], 2));
}

pub(super) async fn every_filter_holds_for_the_right_tokens(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut one = record(1);
    one.name = "Nightly_Build 100%".into();
    one.description = Some("What\u{0}for \u{202e}X".into());
    one.owner = user("bob");
    one.expires_at = Some(at(300));
    let mut two = record(2);
    two.name = "Ärger".into();
    two.description = Some(String::new());
    two.actor = user("service");
    two.created_at = at(101);
    two.expires_at = Some(at(300));
    two.valid_until = Some(at(200));
    let three = record(3);
    for record in [&one, &two, &three] {
        store.insert(record).await.unwrap();
    }
    let mut nameless = record(4);
    nameless.name = String::new();
    store.insert(&nameless).await.unwrap();
    let by_end = not(text(TokenTextField::Name, TextTest::EndsWith, "a"));
    let by_end = TokenQuery::default().filter(by_end).filter(TokenFilter::Id(vec![id(4)]));
    assert_eq!(ids(&store, by_end).await, [id(4)]);
    store.revoke(&id(4), &user("bob"), at(200)).await.unwrap();
    let name = |test, value: &str| text(TokenTextField::Name, test, value);
    let contains = |value: &str| name(TextTest::Contains, value);
    let description = |test, value: &str| text(TokenTextField::Description, test, value);
    let owner = |test, value: &str| text(TokenTextField::Owner, test, value);
    let actor = |test, value: &str| text(TokenTextField::Actor, test, value);
    let created = |test, seconds| TokenFilter::time(TokenTimeField::CreatedAt, test, at(seconds));
    let expires = |test, seconds| TokenFilter::time(TokenTimeField::ExpiresAt, test, at(seconds));
    let last = Timestamp::from_millis(i64::MAX);
    let until_the_last = TokenFilter::time(TokenTimeField::ExpiresAt, TimeTest::AtOrBefore, last);
    let from_the_last = TokenFilter::time(TokenTimeField::ExpiresAt, TimeTest::AtOrAfter, last);
    let cases = [
        (TokenFilter::Id(vec![id(3), id(9), id(1)]), vec![1, 3]),
        (TokenFilter::Id(vec![]), vec![]),
        (TokenFilter::Actor(vec![user("service"), user("nobody")]), vec![2]),
        (TokenFilter::Actor(vec![]), vec![]),
        (TokenFilter::Owner(vec![user("bob")]), vec![1]),
        (contains("nightly_b"), vec![1]),
        (contains("N_ghtly"), vec![]),
        (contains("0%"), vec![1]),
        (contains("%"), vec![1]),
        (contains("Ärger"), vec![2]),
        (contains("ärger"), vec![]),
        (contains(""), vec![1, 2, 3]),
        (name(TextTest::Equals, "Ärger"), vec![2]),
        (name(TextTest::Equals, "ÄRGER"), vec![]),
        (name(TextTest::EqualsIgnoreCase, "ÄRGER"), vec![2]),
        (name(TextTest::EqualsIgnoreCase, "ärger"), vec![]),
        (name(TextTest::EqualsIgnoreCase, "nightly_build 100"), vec![]),
        (name(TextTest::StartsWith, "NIGHTLY"), vec![1]),
        (name(TextTest::StartsWith, "ightly"), vec![]),
        (name(TextTest::StartsWith, ""), vec![1, 2, 3]),
        (name(TextTest::EndsWith, "RGER"), vec![2]),
        (name(TextTest::EndsWith, "0%"), vec![1]),
        (name(TextTest::EndsWith, "100"), vec![]),
        (name(TextTest::EndsWith, "a token 3"), vec![]),
        (name(TextTest::EndsWith, ""), vec![1, 2, 3]),
        (description(TextTest::Contains, ""), vec![1, 2]),
        (description(TextTest::EndsWith, ""), vec![1, 2]),
        (description(TextTest::Equals, ""), vec![2]),
        (description(TextTest::EndsWith, "x"), vec![1]),
        (description(TextTest::Contains, "what\u{0}FOR"), vec![1]),
        (description(TextTest::StartsWith, "what\u{0}for"), vec![1]),
        (description(TextTest::EndsWith, "\u{0}for \u{202e}x"), vec![1]),
        (owner(TextTest::Equals, "urn:li:corpuser:bob"), vec![1]),
        (owner(TextTest::Equals, "urn:li:corpuser:Bob"), vec![]),
        (owner(TextTest::EndsWith, ":Bob"), vec![1]),
        (owner(TextTest::Equals, ""), vec![]),
        (actor(TextTest::Equals, ""), vec![]),
        (actor(TextTest::Contains, "SERV"), vec![2]),
        (actor(TextTest::Equals, "no urn at all' OR 1 --"), vec![]),
        (created_before(101), vec![1, 3]),
        (created(TimeTest::AtOrBefore, 100), vec![1, 3]),
        (created(TimeTest::At, 101), vec![2]),
        (created(TimeTest::AtOrAfter, 101), vec![2]),
        (created(TimeTest::After, 101), vec![]),
        (expires(TimeTest::Before, 301), vec![1, 2]),
        (expires(TimeTest::Before, 300), vec![2]),
        (expires(TimeTest::AtOrBefore, 300), vec![1, 2]),
        (expires(TimeTest::AtOrBefore, 199), vec![]),
        (expires(TimeTest::At, 300), vec![1]),
        (expires(TimeTest::At, 200), vec![2]),
        (expires(TimeTest::AtOrAfter, 300), vec![1]),
        (expires(TimeTest::AtOrAfter, 200), vec![1, 2]),
        (expires(TimeTest::After, 200), vec![1]),
        (expires(TimeTest::After, 300), vec![]),
        (until_the_last, vec![1, 2]),
        (from_the_last, vec![]),
        (TokenFilter::Has(TokenOptional::ExpiresAt), vec![1, 2]),
        (TokenFilter::Has(TokenOptional::Description), vec![1, 2]),
        (TokenFilter::EndsBefore(at(200)), vec![]),
        (TokenFilter::EndsBefore(at(201)), vec![2]),
        (TokenFilter::EndsBefore(at(301)), vec![1, 2]),
        (TokenFilter::AnyOf(vec![]), vec![]),
        (TokenFilter::AnyOf(vec![contains("%"), TokenFilter::EndsBefore(at(201))]), vec![1, 2]),
        (TokenFilter::AllOf(vec![]), vec![1, 2, 3]),
        (TokenFilter::AllOf(vec![contains("%"), TokenFilter::EndsBefore(at(201))]), vec![]),
        (TokenFilter::AllOf(vec![contains("R"), TokenFilter::EndsBefore(at(201))]), vec![2]),
    ];
    for (filter, expected) in cases {
        let expected: Vec<_> = expected.into_iter().map(id).collect();
        let by_id = |filter| TokenQuery::default().filter(filter).ascending(TokenSort::Name);
        let page = store.list(&by_id(filter.clone())).await.unwrap();
        assert_eq!(page.total, expected.len() as u64, "{filter:?}");
        let mut found: Vec<_> = page.tokens.iter().map(|record| record.id).collect();
        found.sort();
        assert_eq!(found, expected, "{filter:?}");
        let mut opposite = ids(&store, by_id(not(filter.clone()))).await;
        opposite.extend(found);
        opposite.sort();
        assert_eq!(opposite, [id(1), id(2), id(3)], "not {filter:?}");
    }
    let both = TokenQuery::default()
        .filter(created_before(101))
        .filter(not(TokenFilter::Owner(vec![user("bob")])));
    assert_eq!(ids(&store, both).await, [id(3)]);
}

pub(super) async fn never_is_later_than_every_date(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let last = Some(Timestamp::from_millis(i64::MAX));
    for (number, expires_at) in [(1, None), (2, Some(at(500))), (3, Some(at(200))), (4, last)] {
        let mut record = record(number);
        record.expires_at = expires_at;
        store.insert(&record).await.unwrap();
    }
    let ascending = TokenQuery::default().ascending(TokenSort::ExpiresAt);
    assert_eq!(ids(&store, ascending).await, [id(3), id(2), id(4), id(1)]);
    assert_eq!(ids(&store, TokenQuery::default()).await, [id(1), id(4), id(2), id(3)]);
}

pub(super) async fn the_earlier_end_is_the_one_that_lists_go_by(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    for (number, expires_at, valid_until) in [
        (1, Some(at(500)), Some(at(300))),
        (2, Some(at(400)), None),
        (3, None, Some(at(200))),
        (4, None, None),
    ] {
        let mut record = record(number);
        (record.expires_at, record.valid_until) = (expires_at, valid_until);
        store.insert(&record).await.unwrap();
    }
    assert_eq!(ids(&store, TokenQuery::default()).await, [id(4), id(2), id(1), id(3)]);
    let over = TokenFilter::over(at(300));
    let listed = |filter| ids(&store, TokenQuery::default().filter(filter));
    assert_eq!(listed(over.clone()).await, [id(1), id(3)]);
    assert_eq!(listed(not(over)).await, [id(4), id(2)]);
    assert_eq!(listed(TokenFilter::Has(TokenOptional::ExpiresAt)).await, [id(2), id(1), id(3)]);
}

pub(super) async fn what_was_never_used_was_used_before_all_else(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    for number in 1..=4 {
        store.insert(&record(number)).await.unwrap();
    }
    let last_use = |seconds| LastUse { at: at(seconds), address: None, agent: None };
    let uses = [(id(2), last_use(150)), (id(4), last_use(120))];
    store.record_uses(&uses).await.unwrap();
    let by_use = |query: TokenQuery| ids(&store, query);
    let descending = TokenQuery::default().descending(TokenSort::LastUsedAt);
    assert_eq!(by_use(descending.clone()).await, [id(2), id(4), id(3), id(1)]);
    let ascending = TokenQuery::default().ascending(TokenSort::LastUsedAt);
    assert_eq!(by_use(ascending).await, [id(1), id(3), id(4), id(2)]);
    store.record_uses(&[(id(4), last_use(160))]).await.unwrap();
    assert_eq!(by_use(descending).await, [id(4), id(2), id(3), id(1)]);
}

pub(super) async fn sessions_are_in_no_list(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let typed = |number, token_type| {
        let mut record = record(number);
        record.token_type = token_type;
        record
    };
    for (number, token_type) in [
        (1, Some(TokenType::Session)),
        (2, Some(TokenType::Personal)),
        (3, Some(TokenType::ServiceAccount)),
        (4, None),
        (5, Some(TokenType::Session)),
    ] {
        store.insert(&typed(number, token_type)).await.unwrap();
    }
    let alice = vec![user("alice")];
    let (owner, actor) = (TokenFilter::Owner(alice.clone()), TokenFilter::Actor(alice));
    let found_by_id = TokenFilter::Id(vec![id(1), id(2), id(5)]);
    for (filter, expected) in [
        (TokenFilter::AllOf(vec![]), vec![2, 3, 4]),
        (owner.clone(), vec![2, 3, 4]),
        (actor.clone(), vec![2, 3, 4]),
        (TokenFilter::AnyOf(vec![owner, actor]), vec![2, 3, 4]),
        (not(TokenFilter::over(at(200))), vec![2, 3, 4]),
        (created_before(200), vec![2, 3, 4]),
        (found_by_id, vec![2]),
    ] {
        let query = TokenQuery::default().filter(filter).ascending(TokenSort::CreatedAt);
        let page = store.list(&query).await.unwrap();
        let listed: Vec<_> = page.tokens.iter().map(|record| record.id).collect();
        let expected: Vec<_> = expected.into_iter().map(id).collect();
        assert_eq!((listed, page.total), (expected.clone(), expected.len() as u64), "{query:?}");
    }
    // They are there all the same, and can be revoked.
    let session = typed(1, Some(TokenType::Session));
    assert_eq!(store.find(&id(1)).await.unwrap(), Some(session));
    assert!(store.revoke(&id(1), &user("alice"), at(200)).await.unwrap());
    assert_eq!(store.list(&TokenQuery::default()).await.unwrap().total, 3);
    let rule = RevocationRule { scope: RuleScope::All, issued_before: at(101), by: user("bob") };
    store.add_rule(&rule).await.unwrap();
    assert_eq!(store.list(&TokenQuery::default()).await.unwrap().total, 0);
}

pub(super) async fn equal_tokens_are_in_the_order_of_their_ids(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    for number in [3, 1, 2] {
        let mut record = record(number);
        record.name = "same".into();
        store.insert(&record).await.unwrap();
    }
    for sort in SORTS {
        let ascending = TokenQuery::default().ascending(sort);
        assert_eq!(ids(&store, ascending).await, [id(1), id(2), id(3)]);
        // Turned round as a whole.
        let descending = TokenQuery::default().descending(sort);
        assert_eq!(ids(&store, descending).await, [id(3), id(2), id(1)]);
    }
}

pub(super) async fn pages_do_not_overlap(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    for number in 0..25 {
        let mut record = record(number);
        // Many are equal.
        record.created_at = at(i64::try_from(number % 3).unwrap());
        store.insert(&record).await.unwrap();
    }
    let query = TokenQuery::default().descending(TokenSort::CreatedAt);
    let mut seen = Vec::new();
    for start in [0, 10, 20, 30] {
        let page = store.list(&query.clone().page(start, 10)).await.unwrap();
        assert_eq!(page.total, 25);
        seen.extend(page.tokens);
    }
    let all = store.list(&query.clone().page(0, 100)).await.unwrap();
    assert_eq!(seen, all.tokens);
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted_by_key(|record| std::cmp::Reverse((record.created_at, record.id))));
    let nothing = store.list(&query.page(u32::MAX, 0)).await.unwrap();
    assert_eq!(nothing, TokenPage::new(vec![], 25));
    assert_eq!(store.list(&TokenQuery::default()).await.unwrap().tokens.len(), 20);
}

pub(super) async fn a_query_that_is_too_large_is_refused(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let one = created_before(0);
    let deep = (0..16).fold(one.clone(), |filter, _| not(filter));
    let wide = TokenFilter::AnyOf(vec![one.clone(); 500]);
    for filter in [deep, wide] {
        let answer = store.list(&TokenQuery::default().filter(filter)).await;
        assert!(matches!(answer, Err(StoreError::Invalid(_))));
    }
    // The largest that are taken.
    let deep = (0..15).fold(one.clone(), |filter, _| TokenFilter::AnyOf(vec![filter]));
    let wide = TokenFilter::AnyOf(vec![not(one.clone()); 249]);
    for filter in [deep, wide, TokenFilter::Actor(vec![user("alice"); 500])] {
        store.list(&TokenQuery::default().filter(filter)).await.unwrap();
    }
}

pub(super) async fn any_list_is_what_the_filters_say<F: Fixture>(_: &F) {
    let runtime = Handle::current();
    let strategy = (vec(records(), 0..12), vec(queries(), 1..6));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    block_in_place(|| {
        runner.run(&strategy, |(records, queries)| {
            let records: Vec<_> = numbered(records);
            runtime.block_on(async {
                let fixture = F::new().await;
                let store = fixture.handle().await;
                store.import(&records).await.unwrap();
                for query in queries {
                    let page = store.list(&query).await.unwrap();
                    prop_assert_eq!(page, expected(&records, &query), "{:?}", query);
                }
                Ok(())
            })
        })
    })
    .unwrap();
}

/// What a list must be, by `TokenFilter::matches` and the words of the trait.
fn expected(records: &[TokenRecord], query: &TokenQuery) -> TokenPage {
    let mut found: Vec<_> = records
        .iter()
        .filter(|record| record.revoked.is_none())
        .filter(|record| record.token_type != Some(TokenType::Session))
        .filter(|record| query.filters.iter().all(|filter| filter.matches(record)))
        .cloned()
        .collect();
    found.sort_by(|a, b| {
        let order = match query.sort {
            TokenSort::ExpiresAt => {
                let end = |record: &TokenRecord| {
                    let ends = [record.expires_at, record.valid_until];
                    let first = ends.into_iter().flatten().min();
                    first.map_or(i128::MAX, |end| end.as_millis().into())
                };
                end(a).cmp(&end(b))
            }
            TokenSort::CreatedAt => a.created_at.cmp(&b.created_at),
            TokenSort::Name => a.name.as_bytes().cmp(b.name.as_bytes()),
            TokenSort::LastUsedAt => {
                let used = |record: &TokenRecord| record.last_used.as_ref().map(|used| used.at);
                used(a).cmp(&used(b))
            }
            _ => unreachable!(),
        };
        let order = order.then(a.id.cmp(&b.id));
        if query.descending { order.reverse() } else { order }
    });
    let total = found.len() as u64;
    let tokens = found.into_iter().skip(query.start as usize).take(query.count as usize).collect();
    TokenPage::new(tokens, total)
}

/// Gives each an id, so that their order is not that in which they are added.
fn numbered(mut records: Vec<TokenRecord>) -> Vec<TokenRecord> {
    for (record, number) in records.iter_mut().zip(0..) {
        record.id = id(number * 7 % 13);
    }
    records
}

fn records() -> impl Strategy<Value = TokenRecord> {
    let times = (0..4_i64, option::of(ends()), option::of(ends()), prop::bool::weighted(0.2));
    let names = (names(), option::of(names()));
    let kinds = (option::of(kinds()), option::of(0..4_i64));
    (names, people(), people(), times, kinds).prop_map(|(names, actor, owner, times, kinds)| {
        let ((name, description), (token_type, used_at)) = (names, kinds);
        let (created_at, expires_at, valid_until, revoked) = times;
        let mut record = record(0);
        record.name = name;
        record.description = description;
        record.actor = user(actor);
        record.owner = user(owner);
        record.created_at = at(created_at);
        record.expires_at = expires_at.map(at);
        record.valid_until = valid_until.map(|end| at(end.min(expires_at.unwrap_or(end))));
        record.token_type = token_type;
        record.last_used =
            used_at.map(|seconds| LastUse { at: at(seconds), address: None, agent: None });
        record.revoked = revoked.then(|| Revocation { at: at(3), by: user("bob") });
        record
    })
}

fn kinds() -> impl Strategy<Value = TokenType> {
    prop::sample::select(vec![TokenType::Personal, TokenType::ServiceAccount, TokenType::Session])
}

/// Seconds, some hours apart.
fn ends() -> impl Strategy<Value = i64> {
    (-1..2_i64, 0..6_i64).prop_map(|(hours, seconds)| hours * 3 * 3600 + seconds)
}

fn queries() -> impl Strategy<Value = TokenQuery> {
    let sorts = prop::sample::select(SORTS.to_vec());
    (vec(filters(), 0..3), sorts, any::<bool>(), 0..4_u32, 0..14_u32).prop_map(
        |(filters, sort, descending, start, count)| {
            let query = filters.into_iter().fold(TokenQuery::default(), TokenQuery::filter);
            let query = if descending { query.descending(sort) } else { query.ascending(sort) };
            query.page(start, count)
        },
    )
}

fn filters() -> impl Strategy<Value = TokenFilter> {
    let urns = || vec(people().prop_map(user), 0..3);
    let leaf = prop_oneof![
        vec((0..13_u64).prop_map(id), 0..3).prop_map(TokenFilter::Id),
        prop::sample::select(vec![TokenOptional::ExpiresAt, TokenOptional::Description])
            .prop_map(TokenFilter::Has),
        urns().prop_map(TokenFilter::Actor),
        urns().prop_map(TokenFilter::Owner),
        texts(),
        times(),
        ends().prop_map(|seconds| TokenFilter::EndsBefore(at(seconds))),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(not),
            vec(inner.clone(), 0..3).prop_map(TokenFilter::AnyOf),
            vec(inner, 0..3).prop_map(TokenFilter::AllOf),
        ]
    })
}

fn texts() -> impl Strategy<Value = TokenFilter> {
    let tests = prop::sample::select(vec![
        TextTest::Contains,
        TextTest::Equals,
        TextTest::EqualsIgnoreCase,
        TextTest::StartsWith,
        TextTest::EndsWith,
    ]);
    let named =
        (prop::sample::select(vec![TokenTextField::Name, TokenTextField::Description]), names());
    let of_people = (
        prop::sample::select(vec![TokenTextField::Actor, TokenTextField::Owner]),
        (people(), 0..24_usize, any::<bool>()).prop_map(|(name, skip, upper)| {
            // A urn, or its end, in either case.
            let urn = user(name).to_string();
            let end: String = urn.chars().skip(skip).collect();
            if upper { end.to_ascii_uppercase() } else { end }
        }),
    );
    (tests, prop_oneof![named, of_people])
        .prop_map(|(test, (field, value))| TokenFilter::text(field, test, value))
}

fn times() -> impl Strategy<Value = TokenFilter> {
    let fields = prop::sample::select(vec![TokenTimeField::CreatedAt, TokenTimeField::ExpiresAt]);
    let tests = prop::sample::select(vec![
        TimeTest::Before,
        TimeTest::AtOrBefore,
        TimeTest::At,
        TimeTest::AtOrAfter,
        TimeTest::After,
    ]);
    (fields, tests, prop_oneof![0..7_i64, ends()])
        .prop_map(|(field, test, seconds)| TokenFilter::time(field, test, at(seconds)))
}

fn names() -> impl Strategy<Value = String> {
    "[aAbÄäſ%_'\"\\\\\u{0}\u{202e}\u{1F600}]{0,3}"
}

fn people() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["alice", "bob", "service", "o'hara\u{0}x"])
}
