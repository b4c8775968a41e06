//! One suite that every store passes, and what is only true of one of them.

mod changes;
mod children;
#[cfg(all(unix, any(feature = "sqlite", feature = "postgres")))]
mod crash;
mod directory;
mod keys;
mod list;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod model;
mod passwords;
mod policies;
#[cfg(feature = "postgres")]
mod postgres_feed;
#[cfg(feature = "postgres")]
mod postgres_history;
#[cfg(feature = "postgres")]
mod postgres_plans;
#[cfg(feature = "postgres")]
mod postgres_server;
#[cfg(all(unix, feature = "postgres-tls"))]
mod postgres_tls;
mod rules;
#[cfg(feature = "sqlite")]
mod sqlite_children;
#[cfg(feature = "sqlite")]
mod sqlite_file;
mod sweep;
mod tokens;

use std::time::Duration;

use tower_pat::{
    actor::{PasswordStore, Urn},
    clock::Timestamp,
    feed::{Change, ChangeFeed, FeedCursor},
    store::{MemoryStore, Store},
    token::{TokenId, TokenRecord},
};

/// A fresh store, and as many handles of it as are wanted.
trait Fixture {
    type Store: Store + PasswordStore + Clone;
    async fn new() -> Self;
    async fn handle(&self) -> Self::Store;
}

struct Memory(MemoryStore);

impl Fixture for Memory {
    type Store = MemoryStore;

    async fn new() -> Self {
        Self(MemoryStore::default())
    }

    async fn handle(&self) -> MemoryStore {
        self.0.clone()
    }
}

/// Its handles are opened separately, as those of several processes are.
#[cfg(feature = "sqlite")]
struct Sqlite(tempfile::TempDir);

#[cfg(feature = "sqlite")]
impl Fixture for Sqlite {
    type Store = tower_pat::store::SqliteStore;

    async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn handle(&self) -> Self::Store {
        tower_pat::store::SqliteStore::open(self.0.path().join("store.db")).await.unwrap()
    }
}

/// A database of its own, and stores that have connected to it separately.
#[cfg(feature = "postgres")]
struct Postgres(crate::postgres::Database);

#[cfg(feature = "postgres")]
impl Fixture for Postgres {
    type Store = tower_pat::store::PostgresStore;

    async fn new() -> Self {
        Self(crate::postgres::Database::new().await)
    }

    async fn handle(&self) -> Self::Store {
        tower_pat::store::PostgresStore::connect(&self.0.url()).await.unwrap()
    }
}

macro_rules! for_each_case {
    ($store:ident, $fixture:ident) => {
        for_each_case! {
            $store, $fixture:
            tokens {
                a_record_is_read_as_it_was_written
                an_unknown_token_is_not_found
                many_are_found_as_each_is
                insert_never_replaces
                insert_never_replaces_a_tombstone
                one_of_many_inserts_wins
                a_record_that_is_valid_beyond_its_expiry_is_refused
                import_adds_what_is_missing
                import_is_all_or_nothing
                import_does_not_bring_a_revoked_token_back
                the_first_revocation_stays
                one_of_many_revocations_wins
                an_unknown_token_cannot_be_revoked
                a_later_use_is_noted_and_an_earlier_one_ignored
            }
            children {
                what_was_made_with_a_token_is_revoked_with_it
                what_was_revoked_before_stays_as_it_is
                what_was_made_in_a_session_stays
                a_rule_revokes_what_was_made_with_what_it_covers
                a_rule_leaves_what_was_made_in_a_session
                nothing_is_made_with_a_revoked_token
                nothing_slips_through_while_a_token_is_revoked
                a_child_that_is_imported_is_revoked_with_its_parent
                a_parent_that_comes_later_as_revoked_takes_its_children
                a_circle_and_a_long_chain_come_to_an_end
                a_token_has_so_many_ancestors_and_no_more
                an_abandoned_revocation_is_whole_or_not_at_all
            }
            rules {
                rules_are_found_by_what_they_are_about
                rules_for_many_are_those_for_each
                a_list_has_nothing_that_a_rule_covers
                the_rule_that_reaches_further_stays
                the_rule_that_reaches_furthest_stays_under_many_writers
                rules_are_listed_page_by_page
            }
            keys {
                a_key_is_not_known_until_it_is_added
                a_promoted_key_signs_and_the_one_before_verifies
                a_retired_key_signs_no_more_unless_it_is_added_again
                the_key_that_signs_is_not_retired
                of_many_promotions_one_signs
                what_is_done_with_keys_is_announced_if_it_makes_a_difference
                the_tokens_that_need_a_key_are_counted
            }
            list {
                a_list_has_what_was_not_revoked
                every_filter_holds_for_the_right_tokens
                never_is_later_than_every_date
                the_earlier_end_is_the_one_that_lists_go_by
                what_was_never_used_was_used_before_all_else
                sessions_are_in_no_list
                equal_tokens_are_in_the_order_of_their_ids
                pages_do_not_overlap
                a_query_that_is_too_large_is_refused
                any_list_is_what_the_filters_say
            }
            sweep {
                an_expired_token_is_kept_for_a_while
                a_tombstone_is_kept_until_its_token_would_have_expired
                rules_and_good_tokens_are_kept_for_ever
                what_a_rule_covers_becomes_a_tombstone
                a_token_is_kept_for_what_was_made_with_it
                a_reader_that_was_away_too_long_notices_the_gap
                a_reader_that_stands_at_the_end_misses_nothing
            }
            directory {
                nobody_but_users_can_be_created
                a_new_user_is_active_and_alone
                a_user_that_exists_is_left_as_it_is
                flags_are_set_and_taken_back
                groups_of_one_kind_replace_those_of_that_kind
                roles_come_from_the_user_and_from_groups_of_either_kind
                roles_are_in_the_order_of_their_texts
                a_group_needs_no_record
                nothing_happens_to_a_user_that_does_not_exist
                a_deleted_user_leaves_nothing
                many_users_are_read_as_each_is
                of_many_writers_each_is_whole
                a_user_is_read_as_it_was_added
                what_is_told_of_a_user_is_replaced_and_not_announced
                users_are_found_by_text_and_kind
                users_are_listed_page_by_page
                groups_are_known_by_members_and_roles
                a_deleted_group_leaves_nothing
                a_role_is_given_to_all_who_are_there
            }
            passwords {
                a_password_is_kept_until_it_is_changed
                only_a_person_who_is_there_gets_a_password
                a_password_goes_with_its_user
                changing_a_password_ends_the_sessions_of_the_user_alone
                a_session_is_made_before_a_change_and_ended_or_after_it
            }
            policies {
                a_policy_is_read_as_it_was_written
                put_replaces_what_is_there
                of_two_policies_of_one_name_the_later_stays
                a_policy_is_deleted_once
                a_policy_is_replaced_and_deleted_only_as_it_was_read
                one_of_many_replacements_wins
                defaults_replace_only_what_is_not_editable
            }
            changes {
                every_change_is_announced
                what_makes_no_difference_is_not_announced
                making_and_using_tokens_is_not_announced
                what_came_before_the_head_is_not_read
                changes_reach_every_handle
                no_change_is_missed_under_many_writers
                a_change_is_in_the_first_read_that_begins_after_it
                a_cursor_of_another_history_is_a_gap
                a_change_wakes_who_waits
                an_abandoned_call_leaves_nothing_half_done
            }
        }
    };
    ($store:ident, $fixture:ident: $($module:ident { $($case:ident)* })*) => {
        mod $store {
            use super::{$fixture, Fixture};
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$module::$case(&$fixture::new().await).await;
                }
            )*)*
        }
    };
}

for_each_case!(memory, Memory);
#[cfg(feature = "sqlite")]
for_each_case!(sqlite, Sqlite);
#[cfg(feature = "postgres")]
for_each_case!(postgres, Postgres);

fn user(name: &str) -> Urn {
    Urn::corpuser(name).unwrap()
}

fn group(name: &str) -> Urn {
    Urn::of("corpGroup", name).unwrap()
}

fn role(name: &str) -> Urn {
    Urn::of("dataHubRole", name).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn id(number: u64) -> TokenId {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&number.to_be_bytes());
    TokenId::from_bytes(bytes)
}

/// Made by alice for herself at 100 s, without end.
fn record(number: u64) -> TokenRecord {
    TokenRecord::new(id(number), format!("token {number}"), user("alice"), user("alice"), at(100))
}

/// What was announced since `cursor`, which is moved behind it. There must be no gap.
async fn read(feed: &impl ChangeFeed, cursor: &mut FeedCursor) -> Vec<Change> {
    let batch = feed.since(cursor).await.unwrap();
    assert!(!batch.gap);
    *cursor = batch.next;
    batch.changes
}

const SOON: Duration = Duration::from_secs(20);
