// Stands in for a stylesheet that a package imports: jsdom lays nothing out.
module.exports = {};
