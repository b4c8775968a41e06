use super::{privilege_set::PrivilegeSet, rule::Rule};
use crate::policy::{FactSet, truth::Truth};

/// Rules by their places, with all facts that may matter to them.
///
/// They are for different privileges. Who asks for one looks whether a rule is for it; only where
/// there are many, each privilege has those that are. (Where each had a list of its own, however
/// short, compiling took thirty times as long: a policy may list forty privileges.)
#[derive(Debug, Default)]
pub(super) struct RuleList {
    rules: Rules,
    mentions: FactSet,
}

#[derive(Debug, Default)]
enum Rules {
    #[default]
    None,
    // Most are found by something that no other rule is found by.
    One(u32),
    Some(Vec<u32>),
    /// Sorted by privilege.
    ByPrivilege(Box<[OfPrivilege]>),
}

/// Those that are for one privilege.
#[derive(Debug)]
struct OfPrivilege {
    privilege: u32,
    rules: Box<[u32]>,
    mentions: FactSet,
}

/// Room for splitting many lists, one after the other: what of them is for each privilege.
#[derive(Debug, Default)]
pub(super) struct Split {
    by_privilege: Vec<(Vec<u32>, FactSet)>,
    met: PrivilegeSet,
}

impl RuleList {
    /// Adds the rule at `place`, if it is not the last one already.
    pub(super) fn push(&mut self, place: u32, mentions: FactSet) {
        self.mentions = self.mentions.union(mentions);
        match &mut self.rules {
            Rules::None => self.rules = Rules::One(place),
            Rules::One(first) if *first != place => self.rules = Rules::Some(vec![*first, place]),
            Rules::Some(rules) if rules.last() != Some(&place) => rules.push(place),
            Rules::One(_) | Rules::Some(_) | Rules::ByPrivilege(_) => {}
        }
    }

    /// To be called when nothing more is added, with all rules.
    pub(super) fn finish(&mut self, all: &[Rule], split: &mut Split) {
        let Rules::Some(rules) = &self.rules else { return };
        if rules.len() > MANY {
            let rules = rules.iter().filter_map(|place| {
                let rule = usize::try_from(*place).ok().and_then(|at| all.get(at))?;
                Some((*place, rule))
            });
            self.rules = Rules::ByPrivilege(split.split(rules));
        }
    }

    /// What the rules say, together with what others said `so_far`. `truth` says what one does, and
    /// no to a privilege that it is not for.
    ///
    /// `hopeless` are rules that cannot grant, since something that they all ask for is unknown;
    /// with it come all facts that are unknown. Such rules only add facts to what is missing, so
    /// that the rest is left alone when there is nothing to add.
    pub(super) fn truth(
        &self,
        privilege: u32,
        hopeless: Option<FactSet>,
        mut so_far: Truth,
        mut truth: impl FnMut(u32) -> Truth,
    ) -> Truth {
        let (rules, mentions) = match &self.rules {
            Rules::None => return so_far,
            Rules::One(rule) => (std::slice::from_ref(rule), self.mentions),
            Rules::Some(rules) => (rules.as_slice(), self.mentions),
            Rules::ByPrivilege(lists) => {
                let at = lists.binary_search_by_key(&privilege, |list| list.privilege).ok();
                match at.and_then(|at| lists.get(at)) {
                    Some(OfPrivilege { rules, mentions, .. }) => (&**rules, *mentions),
                    None => return so_far,
                }
            }
        };
        let missing = hopeless.map(|unknown| mentions.intersection(unknown));
        for rule in rules {
            if let (Some(missing), Truth::Unknown(facts)) = (missing, so_far)
                && facts.contains_all(missing)
            {
                break;
            }
            so_far = so_far.or(truth(*rule));
            if so_far == Truth::True {
                break;
            }
        }
        so_far
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self.rules, Rules::None)
    }
}

impl Split {
    fn split<'a>(&mut self, rules: impl Iterator<Item = (u32, &'a Rule)>) -> Box<[OfPrivilege]> {
        let Self { by_privilege, met } = self;
        for (place, rule) in rules {
            let mentions = rule.mentions();
            met.insert_all(&rule.privileges);
            for privilege in rule.privileges.iter() {
                let Ok(at) = usize::try_from(privilege) else { continue };
                if at >= by_privilege.len() {
                    by_privilege.resize_with(at + 1, Default::default);
                }
                if let Some((rules, all_mentions)) = by_privilege.get_mut(at) {
                    rules.push(place);
                    *all_mentions = all_mentions.union(mentions);
                }
            }
        }
        let take = |privilege| {
            let (rules, mentions) = by_privilege.get_mut(usize::try_from(privilege).ok()?)?;
            let list = OfPrivilege {
                privilege,
                rules: rules.as_slice().into(),
                mentions: std::mem::take(mentions),
            };
            rules.clear();
            Some(list)
        };
        std::mem::take(met).iter().filter_map(take).collect()
    }
}

/// How many rules are looked at one by one for whether they are for a privilege.
const MANY: usize = 32;
