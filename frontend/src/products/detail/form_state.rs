//! The content of the form of a product, and the errors in it.

use std::collections::{BTreeMap, HashSet};

use leptos::prelude::*;
use shared::{problem::FieldError, product::ProductInput};

use crate::ui::of_field;

/// One attribute in the form.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub key: u32,
    pub name: RwSignal<String>,
    pub value: RwSignal<String>,
    /// It was just added, so it takes the focus.
    pub is_new: bool,
}

/// The content of the form.
#[derive(Clone, Copy)]
pub struct FormState {
    pub(super) sku: RwSignal<String>,
    pub(super) name: RwSignal<String>,
    pub(super) description: RwSignal<String>,
    pub(super) active: RwSignal<bool>,
    pub attributes: RwSignal<Vec<Entry>>,
    keys: StoredValue<u32>,
    /// Fields that the user has left once. Only these show their errors before the form is submitted.
    pub(super) touched: RwSignal<HashSet<String>>,
    pub(super) submitted: RwSignal<bool>,
    /// Errors from the server, until the form changes.
    pub(super) rejected: RwSignal<Vec<FieldError>>,
    /// Errors by the rules of `shared`.
    pub(super) errors: Memo<Vec<FieldError>>,
}

impl FormState {
    pub(super) fn new(start: ProductInput) -> Self {
        let entries = start.attributes.into_iter().zip(0..);
        let entries: Vec<_> = entries.map(|((name, value), key)| entry(key, name, value, false)).collect();
        let keys = StoredValue::new(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        let (sku, name) = (RwSignal::new(start.sku), RwSignal::new(start.name));
        let (description, active) = (RwSignal::new(start.description), RwSignal::new(start.active));
        let attributes = RwSignal::new(entries);
        let errors = Memo::new(move |_| {
            ProductInput {
                sku: sku.get(),
                name: name.get(),
                description: description.get(),
                active: true,
                attributes: collect(&attributes.read()),
            }
            .check()
        });
        Self {
            sku,
            name,
            description,
            active,
            attributes,
            keys,
            touched: RwSignal::default(),
            submitted: RwSignal::new(false),
            rejected: RwSignal::default(),
            errors,
        }
    }

    /// Returns the product that the form describes.
    pub(super) fn input(self) -> ProductInput {
        ProductInput {
            sku: self.sku.get(),
            name: self.name.get(),
            description: self.description.get(),
            active: self.active.get(),
            attributes: collect(&self.attributes.read()),
        }
    }

    /// Puts another product into the form.
    pub(super) fn put(self, input: ProductInput) {
        self.sku.set(input.sku);
        self.name.set(input.name);
        self.description.set(input.description);
        self.active.set(input.active);
        let entries = input.attributes.into_iter().map(|(name, value)| entry(self.next_key(), name, value, false));
        self.attributes.set(entries.collect());
    }

    pub(super) fn next_key(self) -> u32 {
        let key = self.keys.get_value();
        self.keys.set_value(key + 1);
        key
    }

    pub fn add_attribute(self) {
        let entry = entry(self.next_key(), String::new(), String::new(), true);
        self.attributes.update(|entries| entries.push(entry));
    }

    /// Makes a field show its error.
    pub fn touch(self, field: &str) {
        self.touched.try_update(|touched| touched.insert(field.to_owned()));
    }

    pub(super) fn shows_error(self, field: &str) -> bool {
        self.submitted.get() || self.touched.with(|touched| touched.contains(field))
    }

    /// Returns the error of a field, if it is to be shown.
    pub fn problem_of(self, field: &str) -> Option<String> {
        let find = |errors: &Vec<FieldError>| of_field(errors, field);
        self.rejected.with(find).or_else(|| self.errors.with(find).filter(|_| self.shows_error(field)))
    }

    /// Returns the error of an attribute, if it is to be shown.
    pub fn problem_of_entry(self, key: u32) -> Option<String> {
        let entries = self.attributes.read();
        let entry = entries.iter().find(|entry| entry.key == key)?;
        let (name, value) = (entry.name.get(), entry.value.get());
        if is_blank(&name, &value) || !self.shows_error(&format!("entry {key}")) {
            return None;
        }
        if entries.iter().any(|other| other.key < key && other.name.with(|other| other.trim() == name.trim())) {
            return Some("Duplicate attribute name".to_owned());
        }
        let field = format!("attributes.{}", name.trim());
        let find = |errors: &Vec<FieldError>| of_field(errors, &field);
        let problem = self.rejected.with(find).or_else(|| self.errors.with(find));
        problem.map(|problem| format!("{} {problem}", if name.trim().is_empty() { "Name" } else { "It" }))
    }

    /// Whether the form can be saved.
    pub(super) fn is_valid(self) -> bool {
        let entries = self.attributes.read_untracked();
        let names: Vec<_> = entries
            .iter()
            .filter(|entry| !is_blank(&entry.name.read_untracked(), &entry.value.read_untracked()))
            .map(|entry| entry.name.with_untracked(|name| name.trim().to_owned()))
            .collect();
        let distinct: HashSet<_> = names.iter().collect();
        self.errors.with_untracked(Vec::is_empty) && distinct.len() == names.len()
    }
}

fn entry(key: u32, name: String, value: String, is_new: bool) -> Entry {
    Entry { key, name: RwSignal::new(name), value: RwSignal::new(value), is_new }
}

/// Whether an attribute is empty, and ignored.
fn is_blank(name: &str, value: &str) -> bool {
    name.trim().is_empty() && value.is_empty()
}

fn collect(entries: &[Entry]) -> BTreeMap<String, String> {
    let entry = |entry: &Entry| (entry.name.with(|name| name.trim().to_owned()), entry.value.get());
    entries.iter().map(entry).filter(|(name, value)| !is_blank(name, value)).collect()
}
