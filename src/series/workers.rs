/// Threads that do parts of some work side by side, for whoever lends them.
pub trait Workers: Sync {
    /// Calls `work` with every number below `count`, in any order and from any thread, and
    /// comes back when all of these calls have.
    fn run(&self, count: usize, work: &(dyn Fn(usize) + Sync));
}

/// No thread but that of who asks.
#[derive(Debug, Clone, Copy)]
pub struct OneThread;

impl Workers for OneThread {
    fn run(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        for at in 0..count {
            work(at);
        }
    }
}
