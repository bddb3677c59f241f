use crate::error::Result;
use crate::matching::LabelIndex;
use series::Labels;
use std::collections::HashMap;

/// Which series have which labels.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    names: HashMap<Box<str>, HashMap<Box<str>, Vec<u32>>>,
    all: Vec<u32>,
}

impl Postings {
    pub(crate) fn insert(&mut self, id: u32, labels: &Labels) {
        put(&mut self.all, id);
        for (name, value) in labels.iter() {
            if !self.names.contains_key(name) {
                self.names.insert(name.into(), HashMap::new());
            }
            let Some(values) = self.names.get_mut(name) else {
                continue;
            };
            if let Some(list) = values.get_mut(value) {
                put(list, id);
            } else {
                // Many values belong to one series only.
                values.insert(value.into(), Vec::from([id]));
            }
        }
    }

    /// Takes out all series that `gone` knows, in one walk.
    pub(crate) fn remove(&mut self, gone: &dyn Fn(u32) -> bool) {
        self.all.retain(|id| !gone(*id));
        for values in self.names.values_mut() {
            values.retain(|_, list| {
                list.retain(|id| !gone(*id));
                !list.is_empty()
            });
        }
        self.names.retain(|_, values| !values.is_empty());
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|name| &**name)
    }

    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.names
            .get(name)
            .into_iter()
            .flat_map(|values| values.keys().map(|value| &**value))
    }
}

fn put(list: &mut Vec<u32>, id: u32) {
    match list.last() {
        Some(last) if *last >= id => {
            if let Err(at) = list.binary_search(&id) {
                list.insert(at, id);
            }
        }
        _ => list.push(id),
    }
}

impl LabelIndex for Postings {
    fn all(&self) -> Vec<u32> {
        self.all.clone()
    }

    fn equal(&self, name: &str, value: &str) -> Result<Vec<u32>> {
        let list = self.names.get(name).and_then(|values| values.get(value));
        Ok(list.cloned().unwrap_or_default())
    }

    fn filtered(&self, name: &str, keep: &mut dyn FnMut(&str) -> bool) -> Result<Vec<Vec<u32>>> {
        let values = self.names.get(name);
        Ok(values
            .into_iter()
            .flatten()
            .filter(|(value, _)| keep(value))
            .map(|(_, list)| list.clone())
            .collect())
    }
}
