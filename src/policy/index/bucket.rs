use super::{
    ids::IdMap,
    rule::{Compare, Rule, Scope, Test},
};
use crate::policy::{FactSet, Field, truth::Truth};

/// The rules for one kind of actor, by privilege.
#[derive(Debug, Default)]
pub(super) struct Bucket(IdMap<u32, RuleSet>);

/// The rules of one privilege.
#[derive(Debug, Default)]
pub(super) struct RuleSet {
    /// Whether some rule grants, whatever is asked about.
    pub(super) always: bool,
    /// Whether some rule grants on every resource.
    pub(super) every_resource: bool,
    /// Rules that may apply without a resource.
    pub(super) anywhere: RuleList,
    /// Rules that have no key.
    pub(super) unkeyed: RuleList,
    /// The fields by whose values rules are found.
    pub(super) keys: Vec<KeyField>,
    keyed: IdMap<u64, RuleList>,
    prefixed: IdMap<u64, RuleList>,
    /// The keyed rules again, for where the field is unknown: by field and by type.
    of_unknown: IdMap<u64, RuleList>,
}

/// A field by whose values rules are found.
#[derive(Debug)]
pub(super) struct KeyField {
    pub(super) field: Field,
    /// How long the beginnings are by which rules are found, from short to long.
    pub(super) prefix_lengths: Vec<usize>,
}

/// Rules by their places, with all facts that may matter to them.
#[derive(Debug, Default)]
pub(super) struct RuleList {
    pub(super) rules: Vec<u32>,
    pub(super) mentions: FactSet,
}

impl Bucket {
    pub(super) fn get(&self, privilege: u32) -> Option<&RuleSet> {
        self.0.get(&privilege)
    }

    /// Adds the rule at `place`. In the bucket of owners no rule grants without looking further.
    pub(super) fn add(
        &mut self,
        privilege: u32,
        place: u32,
        rule: &Rule,
        is_owners: bool,
        id: &mut impl FnMut(&str) -> u32,
    ) {
        let set = self.0.entry(privilege).or_default();
        let mentions = rule.mentions();
        let tests = match &rule.scope {
            Scope::Anything if rule.constraint.is_none() && !is_owners => {
                set.always = true;
                return;
            }
            Scope::Anything => {
                set.anywhere.push(place, mentions);
                return;
            }
            Scope::Resource(tests) => tests.list(),
        };
        if tests.is_empty() && rule.constraint.is_none() && !is_owners {
            set.every_resource = true;
            return;
        }
        let Some(key) = tests.iter().filter(|test| test.is_key()).max_by_key(|test| test.rank())
        else {
            set.unkeyed.push(place, mentions);
            return;
        };
        set.add_key_field(key);
        let table = if key.compare == Compare::Equals { &mut set.keyed } else { &mut set.prefixed };
        for value in &key.values {
            table.entry(pair(key.field, id(value))).or_default().push(place, mentions);
        }
        if !FactSet::of(key.field).is_empty() {
            // Of all rules that wait for a fact, most are about entities of another type.
            let of_type = tests
                .iter()
                .find(|test| test.field == Field::Type && test.compare == Compare::Equals);
            let types = of_type.map_or(&[][..], |test| &test.values);
            for value in types {
                let list = set.of_unknown.entry(pair(key.field, id(value))).or_default();
                list.push(place, mentions);
            }
            if types.is_empty() {
                let list = set.of_unknown.entry(pair(key.field, ANY_TYPE)).or_default();
                list.push(place, mentions);
            }
        }
    }
}

impl RuleSet {
    /// The rules found by a value of a field.
    pub(super) fn keyed(&self, field: Field, value: u32) -> Option<&RuleList> {
        self.keyed.get(&pair(field, value))
    }

    /// The rules found by the beginning of a value of a field.
    pub(super) fn prefixed(&self, field: Field, prefix: u32) -> Option<&RuleList> {
        self.prefixed.get(&pair(field, prefix))
    }

    fn add_key_field(&mut self, key: &Test) {
        let known = self.keys.iter().position(|known| known.field == key.field);
        let at = known.unwrap_or_else(|| {
            self.keys.push(KeyField { field: key.field, prefix_lengths: Vec::new() });
            self.keys.len() - 1
        });
        if let (Compare::StartsWith, Some(known)) = (key.compare, self.keys.get_mut(at)) {
            for prefix in &key.values {
                if let Err(at) = known.prefix_lengths.binary_search(&prefix.len()) {
                    known.prefix_lengths.insert(at, prefix.len());
                }
            }
        }
    }

    /// The rules found by this field that may concern entities of this type.
    pub(super) fn of_unknown(
        &self,
        field: Field,
        entity_type: Option<u32>,
    ) -> impl Iterator<Item = &RuleList> {
        [Some(ANY_TYPE), entity_type]
            .into_iter()
            .flatten()
            .filter_map(move |entity_type| self.of_unknown.get(&pair(field, entity_type)))
    }
}

impl RuleList {
    fn push(&mut self, place: u32, mentions: FactSet) {
        self.rules.push(place);
        self.mentions = self.mentions.union(mentions);
    }

    /// What the rules say, together with what others said `so_far`.
    ///
    /// `hopeless` are rules that cannot grant, since something that they all ask for is unknown;
    /// with it come all facts that are unknown. Such rules only add facts to what is missing, so
    /// that the rest is left alone when there is nothing to add.
    pub(super) fn truth(
        &self,
        hopeless: Option<FactSet>,
        mut so_far: Truth,
        mut truth: impl FnMut(u32) -> Truth,
    ) -> Truth {
        let missing = hopeless.map(|unknown| self.mentions.intersection(unknown));
        for rule in &self.rules {
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
}

impl Test {
    fn is_key(&self) -> bool {
        self.compare != Compare::NotEquals
    }

    /// How much a test narrows: one urn is one entity, a type is very many.
    fn rank(&self) -> u8 {
        match (self.compare, self.field) {
            (Compare::Equals, Field::Urn) => 4,
            (_, Field::Type) => 0,
            (Compare::Equals, _) => 3,
            (_, Field::Urn) => 2,
            _ => 1,
        }
    }
}

fn pair(field: Field, value: u32) -> u64 {
    (u64::from(field as u8) << 32) | u64::from(value)
}

/// No value has this number: there are not that many.
const ANY_TYPE: u32 = u32::MAX;
