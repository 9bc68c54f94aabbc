//! Values at numbers that stay theirs until they are removed.

/// A growing array that reuses the places of what was removed.
pub(super) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Where the next value will go.
    pub(super) fn next(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.places.len() as u32)
    }

    /// Adds a value at [`Slab::next`].
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let place = self.next();
        match self.free.pop() {
            Some(_) => {
                if let Some(free) = self.places.get_mut(place as usize) {
                    *free = Some(value);
                }
            }
            None => self.places.push(Some(value)),
        }
        place
    }

    pub(super) fn get(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, place: u32) -> Option<T> {
        let value = self.places.get_mut(place as usize)?.take()?;
        self.free.push(place);
        Some(value)
    }
}
