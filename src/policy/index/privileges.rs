use std::{borrow::Borrow, collections::BTreeSet, fmt, iter, sync::Arc};

use super::{
    Compiled,
    bucket::Bucket,
    privilege_set::{PrivilegeBits, PrivilegeSet},
    question::Question,
};
use crate::{
    actor::Actor,
    policy::{
        Decision, Privilege, Requirement, Resource, decision::decide_requirement,
        engine::VIEW_SELF, truth::Truth,
    },
};

/// What one actor may do: a [`PolicyIndex`](super::PolicyIndex), narrowed to what concerns it.
///
/// Cheap to clone, and a snapshot: what changes later is not seen. Deciding allocates nothing and
/// waits for nothing. It costs the same whether there are ten policies or ten thousand, but for
/// those that share their criterion with many, or have only NOT_EQUALS: they are tried one by one.
#[derive(Clone)]
pub struct Privileges(pub(super) Arc<Narrowed>);

pub(super) struct Narrowed {
    pub(super) actor: Arc<Actor>,
    pub(super) index: Arc<Compiled>,
    pub(super) grants_everything: bool,
    /// What is granted where nothing is asked about, as of platform privileges.
    about_nothing: PrivilegeBits,
    /// What is granted on every resource.
    on_every_resource: PrivilegeBits,
    /// The places of the actor's own buckets: those of its urn, its groups and its roles.
    own: Vec<u32>,
    /// Whether others find it.
    is_shared: bool,
}

impl Narrowed {
    fn new(index: Arc<Compiled>, actor: Arc<Actor>, is_shared: bool) -> Self {
        let groups = actor.groups().filter_map(|group| index.groups.get(group.as_str()));
        let roles = actor.roles().filter_map(|role| index.roles.get(role.as_str()));
        let own = index.users.get(actor.urn().as_str()).into_iter().chain(groups).chain(roles);
        let own = own.copied().collect();
        let grants_everything = index.options.grants_everything_to(actor.urn());
        let (mut about_nothing, mut on_every_resource) = Default::default();
        let mut narrowed = Self {
            actor,
            index,
            grants_everything,
            about_nothing,
            on_every_resource,
            own,
            is_shared,
        };
        for bucket in narrowed.buckets() {
            about_nothing.insert_all(bucket.about_nothing.bits());
            on_every_resource.insert_all(bucket.on_every_resource.bits());
        }
        (narrowed.about_nothing, narrowed.on_every_resource) = (about_nothing, on_every_resource);
        narrowed
    }

    /// The buckets whose rules are for the actor whatever the resource.
    pub(super) fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        let index = &self.index;
        let is_in_a_group = self.actor.groups().len() > 0;
        let of_groups = is_in_a_group.then_some(&index.all_groups);
        let own = self.own.iter().filter_map(|at| index.buckets.get(usize::try_from(*at).ok()?));
        iter::once(&index.all_users).chain(of_groups).chain(own)
    }

    pub(super) fn holds(&self, privilege: u32) -> bool {
        self.is_in(self.about_nothing, privilege, |bucket| &bucket.about_nothing)
    }

    pub(super) fn is_granted_on_everything(&self, privilege: u32) -> bool {
        self.is_in(self.on_every_resource, privilege, |bucket| &bucket.on_every_resource)
    }

    /// Whether it is in the set of some bucket, of which these are the bits.
    fn is_in(
        &self,
        bits: PrivilegeBits,
        privilege: u32,
        set: impl Fn(&Bucket) -> &PrivilegeSet,
    ) -> bool {
        let in_some = || self.buckets().any(|bucket| set(bucket).contains(privilege));
        bits.contains(privilege).unwrap_or_else(in_some)
    }
}

impl Drop for Narrowed {
    fn drop(&mut self) {
        if self.is_shared {
            self.index.shared.remove(self);
        }
    }
}

impl Privileges {
    pub(super) fn narrow(index: Arc<Compiled>, actor: Arc<Actor>) -> Self {
        Self(Arc::new(Narrowed::new(index, actor, false)))
    }

    pub(super) fn shared<A>(index: &Arc<Compiled>, actor: A) -> Self
    where
        A: Borrow<Actor> + Into<Arc<Actor>>,
    {
        Self(index.shared.find(actor.borrow()).unwrap_or_else(|| {
            let narrowed = Arc::new(Narrowed::new(Arc::clone(index), actor.into(), true));
            index.shared.insert(&narrowed);
            narrowed
        }))
    }

    /// Whose privileges these are.
    #[must_use]
    pub fn actor(&self) -> &Arc<Actor> {
        &self.0.actor
    }

    /// Whether the actor holds what is required, on `resource` or, without one, without any.
    /// `sub_resources` are the other entities that the operation touches; usually none.
    pub fn decide(
        &self,
        requirement: &Requirement,
        resource: Option<&Resource>,
        sub_resources: &[Resource],
    ) -> Decision {
        let question = Question::new(&self.0, resource, sub_resources);
        decide_requirement(requirement, |privilege| question.truth(privilege)).into()
    }

    /// Whether the actor holds one privilege.
    pub fn decide_privilege(&self, privilege: &Privilege, resource: Option<&Resource>) -> Decision {
        Question::new(&self.0, resource, &[]).truth(privilege).into()
    }

    /// Whether the actor holds a privilege without any resource, as for platform privileges.
    #[must_use]
    pub fn holds(&self, privilege: &Privilege) -> bool {
        let narrowed = &self.0;
        narrowed.grants_everything
            || narrowed
                .index
                .privileges
                .find(privilege.as_str())
                .is_some_and(|privilege| narrowed.holds(privilege))
    }

    /// All privileges that the actor certainly holds, on `resource` or, without one, without any.
    /// Policies and View Self are listed, whatever the mode and the system actor.
    ///
    /// Unlike a decision this asks for every privilege there is: for pages, not for guards.
    #[must_use]
    pub fn granted(&self, resource: Option<&Resource>) -> BTreeSet<Privilege> {
        let question = Question::new(&self.0, resource, &[]);
        let listed = self.0.index.privileges.iter().map(|(privilege, _)| privilege);
        listed
            .chain(&VIEW_SELF)
            .filter(|privilege| question.by_policies(privilege) == Truth::True)
            .cloned()
            .collect()
    }
}

impl fmt::Debug for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Privileges").field("actor", self.0.actor.urn()).finish_non_exhaustive()
    }
}
