//! The fields of the events that can be meant at a step: what `event.…` may name there.

use std::collections::BTreeSet;

use super::{Checking, variable};
use crate::engine::expr::Slot;
use crate::engine::expr::names::known_names;
use crate::engine::expr::scope::{Entry, Fields};
use crate::engine::schema::{Kind, ObjectSchema, Property};
use crate::engine::topology::spec::EventRef;
use crate::engine::value::Type;

/// An object as one of the events has it.
#[derive(Clone, Copy)]
struct Shape<'p> {
    /// Index of the event.
    event: usize,
    /// Its properties.
    object: &'p ObjectSchema,
    /// Whether it may be absent or null, and its fields with it.
    optional: bool,
}

/// A property as one of the events has it.
#[derive(Clone, Copy)]
struct Form<'p> {
    event: usize,
    property: &'p Property,
    optional: bool,
}

impl Checking<'_, '_> {
    /// Tells of an event without a schema.
    pub(super) fn no_schema(&mut self, event: &EventRef<'_>) {
        let name = format!("{}@{}", event.event_type, event.major);
        let names: Vec<String> = self.schemas.keys().map(|(it, major)| format!("{it}@{major}")).collect();
        let hint = format!("add `events/{name}.json`; {}", known_names(&name, "events with a schema", names.iter().map(String::as_str)));
        self.mistakes.add(event.node.span.clone(), format!("there is no schema of {name}"), hint);
    }

    /// What `event` stands for when it is one of these events.
    pub(super) fn event_fields(&mut self, events: &[usize]) -> Fields {
        let plans = self.out.events.clone();
        let shape = |index: &usize| plans.get(*index).map(|it| Shape { event: *index, object: &it.fields, optional: false });
        let shapes: Vec<Shape<'_>> = events.iter().filter_map(shape).collect();
        self.object_fields("event", &shapes)
    }

    fn object_fields(&mut self, path: &str, shapes: &[Shape<'_>]) -> Fields {
        let names: BTreeSet<&str> = shapes.iter().flat_map(|it| &it.object.properties).map(|it| it.name.as_str()).collect();
        let mut fields = Fields::new();
        for name in names {
            let mut forms = Vec::new();
            for shape in shapes {
                if let Some(property) = shape.object.properties.iter().find(|it| it.name == name) {
                    let optional = shape.optional || !property.required || property.nullable;
                    forms.push(Form { event: shape.event, property, optional });
                }
            }
            let entry = self.event_field(&format!("{path}.{name}"), shapes, &forms);
            fields.insert(name.to_owned(), entry);
        }
        fields
    }

    fn event_field(&mut self, path: &str, shapes: &[Shape<'_>], forms: &[Form<'_>]) -> Entry {
        let Some(first) = forms.first() else { return Entry::Broken };
        if let Some(without) = shapes.iter().find(|it| forms.iter().all(|form| form.event != it.event)) {
            return Entry::Unusable {
                reason: format!("`{path}` is not in every event that can be meant here: {} has none", self.event_name(without.event)),
                hint: format!("use it in a `branch`, in a case with `event: {}`", self.event_name(first.event)),
            };
        }
        let objects: Vec<Shape<'_>> = forms
            .iter()
            .filter_map(|it| match &it.property.kind {
                Kind::Object(object) => Some(Shape { event: it.event, object, optional: it.optional }),
                _ => None,
            })
            .collect();
        if objects.len() == forms.len() {
            return Entry::Fields(self.object_fields(path, &objects));
        }
        let of = first.property.kind.value_type();
        if let Some(other) = forms.iter().find(|it| it.property.kind.value_type() != of) {
            let (here, there) = (self.event_name(first.event), self.event_name(other.event));
            return Entry::Unusable {
                reason: format!("`{path}` is of type {of} in {here}, and of another one in {there}"),
                hint: format!("use it in a `branch`, in a case with `event: {here}`"),
            };
        }
        let one_of = |it: &Form<'_>| match &it.property.kind {
            Kind::String { one_of, .. } => one_of.clone(),
            _ => Vec::new(),
        };
        let listed = forms.iter().all(|it| !one_of(it).is_empty());
        let one_of: BTreeSet<String> = if listed { forms.iter().flat_map(one_of).collect() } else { BTreeSet::new() };
        let slot = self.event_slot(path, &of);
        let of = if forms.iter().any(|it| it.optional) { Type::Optional(Box::new(of)) } else { of };
        variable(slot, of, one_of.into_iter().collect())
    }

    /// The slot of a field. It has the widest type that the field has in any event: fields that a step knows more about stay the same.
    fn event_slot(&mut self, path: &str, of: &Type) -> Slot {
        let key = (path.to_owned(), of.to_string());
        if let Some(slot) = self.event_slots.get(&key) {
            return *slot;
        }
        let sure = self.out.events.iter().all(|it| is_sure(&it.fields, path, of));
        let widest = if sure { of.clone() } else { Type::Optional(Box::new(of.clone())) };
        let slot = self.slot(path.to_owned(), widest);
        self.event_slots.insert(key, slot);
        slot
    }

    fn event_name(&self, index: usize) -> String {
        self.out.events.get(index).map(|it| format!("{}@{}", it.event_type, it.major)).unwrap_or_default()
    }
}

/// Whether an event always has a field of the type at the path.
fn is_sure(object: &ObjectSchema, path: &str, of: &Type) -> bool {
    let mut object = object;
    let mut names = path.split('.').skip(1).peekable();
    while let Some(name) = names.next() {
        let Some(property) = object.properties.iter().find(|it| it.name == name && it.required && !it.nullable) else { return false };
        match &property.kind {
            Kind::Object(inner) if names.peek().is_some() => object = inner,
            kind => return names.peek().is_none() && kind.value_type() == *of,
        }
    }
    false
}
