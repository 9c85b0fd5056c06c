"""Project files: the only room with SQL. `store.project.ProjectStore` is its door."""
