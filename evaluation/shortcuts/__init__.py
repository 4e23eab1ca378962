"""Could a score come from what is not medicine? Predictors that know none, and what they say about the networks."""
