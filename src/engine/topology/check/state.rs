//! Steps that keep state: `dedup`, `unique`, `allot`, `aggregate`.

use super::{Checking, INPUT_DEDUP, StoreDraft, Way, variable};
use crate::engine::expr::names::known_names;
use crate::engine::expr::scope::{Entry, Fields};
use crate::engine::plan::{Aggregate, Binding, Divided, Each, Fold, Late, Operator, Step, StoreKind};
use crate::engine::topology::reading::Word;
use crate::engine::topology::spec::DedupSpec;
use crate::engine::topology::steps::{EachSpec, FoldSpec, StepSpec};
use crate::engine::topology::tree::{Key, Node};
use crate::engine::value::Type;

type Named<'t> = [(&'t Key, &'t Node)];

/// A fold, and the names and types of its state's fields.
struct FoldDraft {
    plan: Fold,
    value: Vec<(String, Type)>,
}

impl Checking<'_, '_> {
    /// The dedup of an input: a step before all others. In its `by` a bare name is a field of the event.
    pub(super) fn input_dedup(&mut self, dedup: &DedupSpec<'_>, way: &Way) -> Option<Step> {
        self.out.ids.insert(INPUT_DEDUP.to_owned(), dedup.node.span.clone());
        let mut way = way.clone();
        let Some(Entry::Fields(fields)) = way.scope.names.get("event").cloned() else { return None };
        way.scope.names.extend(fields);
        self.dedup(INPUT_DEDUP, dedup, &way).map(|operator| Step { id: INPUT_DEDUP.to_owned(), operator })
    }

    pub(super) fn dedup(&mut self, id: &str, dedup: &DedupSpec<'_>, way: &Way) -> Option<Operator> {
        if let (Late::Reject, Some(key)) = (dedup.late, &way.behind) {
            let hint = "add `late: process`, or move the dedup before the `key` step";
            self.mistakes.add(dedup.node.span.clone(), format!("nothing can be rejected as TOO_OLD behind the `key` step `{key}`"), hint);
        }
        let by = self.key_parts(&dedup.by, &way.scope, way);
        let kind = StoreKind::Dedup { window_ms: dedup.window_ms };
        let key = by.iter().map(|it| it.of.clone()).collect();
        let store = self.store(StoreDraft { id: id.to_owned(), key, value: vec![("seen".to_owned(), Type::Time)], kind, each: None });
        Some(Operator::Dedup { store, by: by.into_iter().map(|it| it.expr.into()).collect(), window_ms: dedup.window_ms, late: dedup.late })
    }

    pub(super) fn unique(&mut self, id: &str, by: &[&Node], way: &Way) -> Option<Operator> {
        let by = self.key_parts(by, &way.scope, way);
        let key = by.iter().map(|it| it.of.clone()).collect();
        let (id, value) = (id.to_owned(), vec![("by".to_owned(), Type::Uuid)]);
        let store = self.store(StoreDraft { id, key, value, kind: StoreKind::Unique, each: None });
        Some(Operator::Unique { store, by: by.into_iter().map(|it| it.expr.into()).collect() })
    }

    pub(super) fn allot(&mut self, id: &str, name: Option<Word<'_>>, way: &mut Way) -> Option<Operator> {
        let name = name?;
        let (id, value) = (id.to_owned(), vec![("last".to_owned(), Type::Int)]);
        let store = self.store(StoreDraft { id, key: Vec::new(), value, kind: StoreKind::Allot, each: None });
        let into = self.slot(name.text.to_owned(), Type::Int);
        self.declare(name.text, variable(into, Type::Int, Vec::new()), &name.node.span, way);
        Some(Operator::Allot { store, into })
    }

    pub(super) fn aggregate(
        &mut self,
        id: &str,
        spec: &StepSpec<'_>,
        by: &[&Node],
        folds: (&FoldSpec<'_>, Option<&EachSpec<'_>>),
        way: &mut Way,
    ) -> Option<Operator> {
        let by = self.key_parts(by, &way.scope, way);
        let (mut fold, mut fields) = self.fold(id, folds.0, way);
        let mut key: Vec<Type> = by.iter().map(|it| it.of.clone()).collect();
        let mut value = std::mem::take(&mut fold.value);
        let divided = folds.1.map(|_| Divided { key: key.len(), value: value.len() });
        let each = folds.1.map(|each| {
            self.fields_are_new(&each.fold, folds.0);
            let by = self.key_parts(&each.by, &way.scope, way);
            let (fold, more) = self.fold(id, &each.fold, way);
            key.extend(by.iter().map(|it| it.of.clone()));
            value.extend(fold.value);
            fields.extend(more);
            Each { by: by.into_iter().map(|it| it.expr.into()).collect(), fold: fold.plan }
        });
        let store = self.store(StoreDraft { id: id.to_owned(), key, value, kind: StoreKind::Aggregate, each: divided });
        let at = spec.id.map_or(&spec.operator.span, |it| &it.node.span);
        if id.contains('-') {
            let hint = format!("write it as `{}`: its fields are named `{}.…` in expressions", id.replace('-', "_"), id.replace('-', "_"));
            self.mistakes.add(at.clone(), format!("`{id}` can't be named in expressions"), hint);
        } else if !id.is_empty() {
            self.declare(id, Entry::Fields(fields), at, way);
        }
        let by = by.into_iter().map(|it| it.expr.into()).collect();
        Some(Operator::Aggregate(Aggregate { store, by, fold: fold.plan, each }))
    }

    /// All fields of an aggregate are named `<id>.<field>`.
    fn fields_are_new(&mut self, each: &FoldSpec<'_>, outside: &FoldSpec<'_>) {
        for (key, _) in each.init.iter().filter(|(key, _)| outside.init.iter().any(|(it, _)| it.text == key.text)) {
            let hint = "choose another name: later steps name both `<id>.<field>`";
            self.mistakes.add(key.span.clone(), format!("`{}` is a field outside of `each` already", key.text), hint);
        }
    }

    /// How a record changes a state, and what later steps may name.
    fn fold(&mut self, id: &str, spec: &FoldSpec<'_>, way: &Way) -> (FoldDraft, Fields) {
        let mut state = Fields::new();
        let mut init = Vec::new();
        let mut value = Vec::new();
        for (key, node) in &spec.init {
            let Some((checked, otherwise)) = self.binding(node, &way.scope.clone(), way) else {
                state.insert(key.text.clone(), Entry::Broken);
                continue;
            };
            let slot = self.slot(format!("{id} before.{}", key.text), checked.of.clone());
            state.insert(key.text.clone(), variable(slot, checked.of.clone(), Vec::new()));
            value.push((key.text.clone(), checked.of));
            init.push(Binding { into: slot, value: checked.expr, otherwise });
        }
        let (update, fields) = self.update(id, &spec.init, &spec.update, &state, way);
        let state = init.iter().map(|it| it.into).collect();
        (FoldDraft { plan: Fold { init, update, state }, value }, fields)
    }

    /// The new state's fields, in the order of `init`, and what later steps may name.
    fn update(&mut self, id: &str, init: &Named<'_>, update: &Named<'_>, state: &Fields, way: &Way) -> (Vec<Binding>, Fields) {
        let mut scope = way.scope.clone();
        scope.names.insert("state".to_owned(), Entry::Fields(state.clone()));
        let mut fields: Fields = state.keys().map(|it| (it.clone(), Entry::Broken)).collect();
        let mut bindings = Vec::new();
        for (key, _) in update {
            if !init.iter().any(|(it, _)| it.text == key.text) {
                let hint = format!("add it to `init`; {}", known_names(&key.text, "fields", init.iter().map(|(it, _)| it.text.as_str())));
                self.mistakes.add(key.span.clone(), format!("`init` has no field `{}`", key.text), hint);
            }
        }
        for (key, _) in init {
            let Some((_, node)) = update.iter().find(|(it, _)| it.text == key.text) else {
                if !update.is_empty() {
                    let hint = format!("add it: `{0}: state.{0}` keeps it as it is", key.text);
                    self.mistakes.add(key.span.clone(), format!("`update` has no field `{}`", key.text), hint);
                }
                continue;
            };
            let Some((checked, otherwise)) = self.binding(node, &scope, way) else { continue };
            let Some(Entry::Value(before)) = state.get(&key.text) else { continue };
            let checked = match checked.adapted(&before.of) {
                Ok(it) => it,
                Err(it) => {
                    let hint = match (&before.of, &it.of) {
                        (Type::Int, Type::Decimal) => "give it a decimal in `init`, such as `0.0`",
                        _ => "the types in `init` and `update` must be the same",
                    };
                    self.mistakes.add(
                        node.span.clone(),
                        format!("`{}` is of type {} in `init`, and of type {} here", key.text, before.of, it.of),
                        hint,
                    );
                    continue;
                }
            };
            let slot = self.slot(format!("{id}.{}", key.text), before.of.clone());
            fields.insert(key.text.clone(), variable(slot, before.of.clone(), Vec::new()));
            bindings.push(Binding { into: slot, value: checked.expr, otherwise });
        }
        (bindings, fields)
    }
}
