//! Who holds roles: users, which must exist, and groups, which need no record of their own.

use crate::actor::Urn;

/// Whether `holder` is a group, by DataHub's entity type.
pub(super) fn is_group(holder: &Urn) -> bool {
    holder.entity_type() == "corpGroup"
}
