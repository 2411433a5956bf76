"""What runs methods: the loop, its checkpoints, and steps that are long."""
