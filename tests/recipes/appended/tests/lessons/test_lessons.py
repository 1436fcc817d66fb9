DAMAGE[19] = {"teapot left in stock": (6, 11)}
