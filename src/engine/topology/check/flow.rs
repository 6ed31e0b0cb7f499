//! Steps that compute, decide and lead on: `let`, `require`, `filter`, `branch`, `split`, `key`.

use super::{Checking, Way, variable};
use crate::engine::expr::Otherwise;
use crate::engine::expr::checked::{Checked, joined};
use crate::engine::expr::names::known_names;
use crate::engine::expr::scope::{Entry, Facts, Fields};
use crate::engine::plan::{Binding, Case, Layout, Leg, Operator, When};
use crate::engine::record::TopicId;
use crate::engine::topology::reading::Word;
use crate::engine::topology::steps::{CaseSpec, LegSpec, StepSpec};
use crate::engine::topology::tree::{Key, Node};

/// Most legs of a split, and most splits behind one another: a leg's place must stay within 32 bits.
const LEGS_MAX: usize = 200;
const SPLITS_MAX: usize = 3;

/// An expression with its `else`, before it has a slot.
type Bound = Option<(Checked, Option<Otherwise>)>;

impl Checking<'_, '_> {
    pub(super) fn bindings(&mut self, bindings: &[(&Key, &Node)], way: &mut Way) -> Option<Operator> {
        let mut done = Vec::new();
        for (key, node) in bindings {
            let scope = way.scope.clone();
            let entry = match self.binding(node, &scope, way) {
                None => Entry::Broken,
                Some((checked, otherwise)) => {
                    let slot = self.slot(key.text.clone(), checked.of.clone());
                    done.push(Binding { into: slot, value: checked.expr, otherwise });
                    variable(slot, checked.of, checked.one_of)
                }
            };
            self.declare(&key.text, entry, &key.span, way);
        }
        Some(Operator::Let(done))
    }

    pub(super) fn require(&mut self, that: Option<&Node>, otherwise: Option<&Node>, way: &mut Way) -> Option<Operator> {
        let that = that.and_then(|it| self.settled_condition(it, way));
        let otherwise = otherwise.and_then(|it| self.otherwise(it, way));
        let that = that?;
        way.scope.facts.extend(&that.if_true);
        Some(Operator::Require { that: that.expr.into(), otherwise: otherwise? })
    }

    pub(super) fn filter(&mut self, that: Option<&Node>, way: &mut Way) -> Option<Operator> {
        let that = self.condition(that?, way)?;
        way.scope.facts.extend(&that.if_true);
        Some(Operator::Filter { that: that.expr.into() })
    }

    pub(super) fn branch(&mut self, specs: &[CaseSpec<'_>], way: &Way) -> Option<Operator> {
        let mut left = way.clone();
        let mut cases = Vec::new();
        let mut closed = false;
        for spec in specs {
            if closed {
                let hint = "put `otherwise` last, or give the case before it a condition";
                return self.mistake(&spec.node.span, "no record comes to this case", hint);
            }
            let mut inside = left.clone();
            let when = if let Some(event) = &spec.event {
                self.event_case(event, way, &mut left, &mut inside)
            } else if let Some(when) = spec.when {
                self.condition(when, &left).map(|it| {
                    inside.scope.facts.extend(&it.if_true);
                    left.scope.facts.extend(&it.if_false);
                    When::Holds(it.expr.into())
                })
            } else {
                closed = true;
                Some(When::Otherwise)
            };
            let steps = self.steps(&spec.steps, inside);
            cases.extend(when.map(|when| Case { when, steps }));
        }
        Some(Operator::Branch(cases))
    }

    fn event_case(&mut self, event: &super::super::spec::EventRef<'_>, way: &Way, left: &mut Way, inside: &mut Way) -> Option<When> {
        let name = format!("{}@{}", event.event_type, event.major);
        inside.scope.names.insert("event".to_owned(), Entry::Broken);
        if let Some(key) = &way.behind {
            let hint = "test a field of the event instead, or branch before the `key`";
            return self.mistake(&event.node.span, format!("which event it was is not known behind the `key` step `{key}`"), hint);
        }
        let is = |index: &usize| self.out.events.get(*index).is_some_and(|it| it.event_type == event.event_type && it.major == event.major);
        if let Some(index) = left.events.iter().copied().find(is) {
            left.events.retain(|it| *it != index);
            inside.events = vec![index];
            let fields = self.event_fields(&[index]);
            inside.scope.names.insert("event".to_owned(), Entry::Fields(fields));
            if !left.events.is_empty() {
                let rest = self.event_fields(&left.events.clone());
                left.scope.names.insert("event".to_owned(), Entry::Fields(rest));
            }
            return Some(When::Event(index));
        }
        if matches!(way.scope.names.get("event"), Some(Entry::Broken)) {
            return None;
        }
        let known = way.events.iter().filter_map(|it| self.out.events.get(*it)).map(|it| format!("{}@{}", it.event_type, it.major));
        let known: Vec<String> = known.collect();
        let taken = known.contains(&name);
        let reason = if taken { format!("a case before takes every {name}") } else { format!("{name} is not read here") };
        let hint = if taken { "remove one of them".to_owned() } else { known_names(&name, "events", known.iter().map(String::as_str)) };
        self.mistake(&event.node.span, reason, hint)
    }

    pub(super) fn split(&mut self, spec: &StepSpec<'_>, name: Option<Word<'_>>, into: &[LegSpec<'_>], way: &mut Way) -> Option<Operator> {
        way.splits += 1;
        if SPLITS_MAX < way.splits {
            self.mistakes.add(
                spec.operator.span.clone(),
                format!("more than {SPLITS_MAX} splits stand behind one another"),
                "make more legs in one of them",
            );
        }
        if LEGS_MAX < into.len() {
            self.mistakes.add(spec.operator.span.clone(), format!("a split has at most {LEGS_MAX} legs"), "split in two topologies");
        }
        let mut whens = Vec::new();
        let mut legs: Vec<Vec<Bound>> = Vec::new();
        let names: Vec<&Key> = into.first().map(|it| it.fields.iter().map(|(key, _)| *key).collect()).unwrap_or_default();
        for leg in into {
            let when = leg.when.map(|it| self.condition(it, way));
            let known = when.iter().flatten().map(|it| &it.if_true).fold(Facts::new(), |known, it| &known | it);
            let scope = way.scope.knowing(&known);
            self.same_names(leg, &names);
            let field = |key: &&Key| leg.fields.iter().find(|(it, _)| it.text == key.text).map(|(_, it)| *it);
            legs.push(names.iter().map(|key| field(key).and_then(|it| self.binding(it, &scope, way))).collect());
            whens.push(when.map(|it| it.map(|it| it.expr.into())));
        }
        let fields = self.leg_fields(name.map_or("leg", |it| it.text), &names, into, &mut legs);
        let entries: Fields = names.iter().zip(&fields).map(|(key, it)| (key.text.clone(), it.clone())).collect();
        if let Some(name) = name {
            self.declare(name.text, Entry::Fields(entries), &name.node.span, way);
        }
        let slot = |it: &Entry| match it {
            Entry::Value(it) => Some(it.slot),
            Entry::Fields(_) | Entry::Unusable { .. } | Entry::Broken => None,
        };
        let slots: Vec<_> = fields.iter().map(slot).collect();
        let leg = |(when, bound): (Option<Option<_>>, Vec<Bound>)| {
            let fields = bound.into_iter().zip(&slots).map(|(bound, slot)| {
                let (checked, otherwise) = bound?;
                Some(Binding { into: (*slot)?, value: checked.expr, otherwise })
            });
            Some(Leg {
                when: match when {
                    None => None,
                    Some(it) => Some(it?),
                },
                fields: fields.collect::<Option<_>>()?,
            })
        };
        whens.into_iter().zip(legs).map(leg).collect::<Option<_>>().map(Operator::Split)
    }

    /// All legs have the fields of the first.
    fn same_names(&mut self, leg: &LegSpec<'_>, names: &[&Key]) {
        for (key, _) in &leg.fields {
            if !names.iter().any(|it| it.text == key.text) {
                let hint = known_names(&key.text, "fields of the first leg", names.iter().map(|it| it.text.as_str()));
                self.mistakes.add(key.span.clone(), format!("the first leg has no field `{}`", key.text), hint);
            }
        }
        for name in names {
            if let (None, Some((first, _))) = (leg.fields.iter().find(|(it, _)| it.text == name.text), leg.fields.first()) {
                let hint = format!("all legs have the same fields: add `{}: …`", name.text);
                self.mistakes.add(first.span.clone(), format!("this leg has no field `{}`", name.text), hint);
            }
        }
    }

    /// One type and one slot for each field of the legs.
    fn leg_fields(&mut self, leg: &str, names: &[&Key], specs: &[LegSpec<'_>], legs: &mut [Vec<Bound>]) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (column, key) in names.iter().enumerate() {
            let mut of: Option<Checked> = None;
            for (spec, bound) in specs.iter().zip(legs.iter()) {
                let Some(Some((checked, _))) = bound.get(column) else { continue };
                of = match of.take() {
                    None => Some(checked.clone()),
                    Some(before) => match joined(before, checked.clone()) {
                        Ok((_, both)) => Some(both),
                        Err(both) => {
                            let node = spec.fields.iter().find(|(it, _)| it.text == key.text).map(|(_, it)| it.span.clone());
                            let reason = format!("`{}` is of type {} here, and of type {} in a leg before", key.text, both.1.of, both.0.of);
                            self.mistakes.add(node.unwrap_or_default(), reason, "a field has one type in all legs");
                            Some(both.0)
                        }
                    },
                };
            }
            let complete = legs.iter().all(|it| it.get(column).is_some_and(Option::is_some));
            let Some(of) = of.map(|it| it.of).filter(|_| complete) else {
                entries.push(Entry::Broken);
                continue;
            };
            for bound in legs.iter_mut() {
                let Some(place) = bound.get_mut(column) else { continue };
                *place = place.take().and_then(|(checked, otherwise)| Some((checked.adapted(&of).ok()?, otherwise)));
            }
            let slot = self.slot(format!("{leg}.{}", key.text), of.clone());
            entries.push(variable(slot, of, Vec::new()));
        }
        entries
    }

    pub(super) fn key(&mut self, by: &[&Node], way: &Way) -> Option<Operator> {
        let parts = self.key_parts(by, &way.scope, way);
        // The topic and the layout are known when the topology is cut.
        let layout = Layout { fields: Vec::new(), fingerprint: 0 };
        Some(Operator::Key { by: parts.into_iter().map(|it| it.expr.into()).collect(), to: TopicId(0), layout })
    }
}
