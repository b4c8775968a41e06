use super::{
    ids::{IdMap, Ids},
    list::{RuleList, Split},
    prefixes::Prefixes,
    privilege_set::PrivilegeSet,
    rule::{Compare, Rule, Scope, Test},
};
use crate::policy::{FactSet, Field};

/// The rules for one kind of actor.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// What some rule grants, whatever is asked about.
    pub(super) always: PrivilegeSet,
    /// What some rule grants where nothing is asked about; all of `always` and more.
    pub(super) about_nothing: PrivilegeSet,
    /// What some rule grants on every resource; all of `always` and more.
    pub(super) on_every_resource: PrivilegeSet,
    /// What other rules are about, which have to be looked at.
    pub(super) ruled: PrivilegeSet,
    /// Rules that may apply without a resource.
    pub(super) anywhere: RuleList,
    /// Rules that have no key.
    pub(super) unkeyed: RuleList,
    /// The fields by whose values rules are found.
    pub(super) keys: Vec<KeyField>,
    keyed: IdMap<u64, RuleList>,
    /// The keyed rules again, for where the field is unknown: by field and by type.
    of_unknown: IdMap<u64, RuleList>,
}

/// A field by whose values rules are found.
#[derive(Debug)]
pub(super) struct KeyField {
    pub(super) field: Field,
    /// What the rules are about that are found by a whole value.
    pub(super) keyed: PrivilegeSet,
    /// Those that are found by its beginning.
    pub(super) prefixes: Prefixes,
}

/// Where a rule is found, in whichever buckets.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Anywhere,
    OnEveryResource,
    /// By no value, but among all that have none.
    Unkeyed,
    By {
        test: &'a Test,
        /// The numbers of the test's values; none if it is about their beginnings.
        values: Vec<u32>,
        /// For where the field is unknown: most rules that wait for a fact are about entities of
        /// another type. `None` if the field is always known.
        types: Option<Vec<u32>>,
    },
}

impl<'a> Found<'a> {
    pub(super) fn new(rule: &'a Rule, ids: &mut Ids<Box<str>>) -> Self {
        let tests = match &rule.scope {
            Scope::Anything => return Self::Anywhere,
            Scope::Resource(tests) => tests.list(),
        };
        if tests.is_empty() {
            return Self::OnEveryResource;
        }
        let Some(test) = tests.iter().filter(|test| test.is_key()).max_by_key(|test| test.rank())
        else {
            return Self::Unkeyed;
        };
        let mut numbers = |values: &[Box<str>]| -> Vec<u32> {
            values.iter().map(|value| ids.find_or_add(value, || value.clone())).collect()
        };
        let values = match test.compare {
            Compare::Equals => numbers(&test.values),
            _ => Vec::new(),
        };
        let types = (!FactSet::of(test.field).is_empty()).then(|| {
            let of_type = tests
                .iter()
                .find(|test| test.field == Field::Type && test.compare == Compare::Equals);
            of_type.map_or_else(|| vec![ANY_TYPE], |test| numbers(&test.values))
        });
        Self::By { test, values, types }
    }
}

impl Bucket {
    /// Adds the rule at `place`. In the bucket of owners no rule grants without looking further.
    pub(super) fn add(&mut self, place: u32, rule: &Rule, found: &Found<'_>, is_owners: bool) {
        let (privileges, mentions) = (&rule.privileges, rule.mentions());
        let looks_further = rule.constraint.is_some() || is_owners;
        match found {
            Found::Anywhere => {
                self.about_nothing.insert_all(privileges);
                if !looks_further {
                    self.always.insert_all(privileges);
                    self.on_every_resource.insert_all(privileges);
                    return;
                }
                self.anywhere.push(place, mentions);
            }
            Found::OnEveryResource if !looks_further => {
                self.on_every_resource.insert_all(privileges);
                return;
            }
            Found::OnEveryResource | Found::Unkeyed => self.unkeyed.push(place, mentions),
            Found::By { test, values, types } => {
                if let Some(key) = self.key_field(test.field) {
                    match test.compare {
                        Compare::Equals => key.keyed.insert_all(privileges),
                        _ => {
                            key.prefixes.privileges.insert_all(privileges);
                            for prefix in &test.values {
                                key.prefixes.push(prefix, place, mentions);
                            }
                        }
                    }
                }
                for value in values {
                    let list = self.keyed.entry(pair(test.field, *value)).or_default();
                    list.push(place, mentions);
                }
                for entity_type in types.iter().flatten() {
                    let list = self.of_unknown.entry(pair(test.field, *entity_type)).or_default();
                    list.push(place, mentions);
                }
            }
        }
        self.ruled.insert_all(privileges);
    }

    /// To be called when nothing more is added, with all rules.
    pub(super) fn finish(&mut self, rules: &[Rule], split: &mut Split) {
        let Self { anywhere, unkeyed, keyed, of_unknown, keys, .. } = self;
        let lists = keyed.values_mut().chain(of_unknown.values_mut());
        lists.chain([anywhere, unkeyed]).for_each(|list| list.finish(rules, split));
        keys.iter_mut().for_each(|key| key.prefixes.finish(rules, split));
    }

    /// The rules found by a value of a field.
    pub(super) fn keyed(&self, field: Field, value: u32) -> Option<&RuleList> {
        self.keyed.get(&pair(field, value))
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

    fn key_field(&mut self, field: Field) -> Option<&mut KeyField> {
        let known = self.keys.iter().position(|known| known.field == field);
        let at = known.unwrap_or_else(|| {
            let (keyed, prefixes) = Default::default();
            self.keys.push(KeyField { field, keyed, prefixes });
            self.keys.len() - 1
        });
        self.keys.get_mut(at)
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
