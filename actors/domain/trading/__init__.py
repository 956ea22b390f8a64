"""A simulated broker: orders, fills, costs, a portfolio, and the limits that signals are checked against."""
