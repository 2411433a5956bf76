"""Models of scikit-learn that predict a distribution, each learnt and evaluated in its own file."""
