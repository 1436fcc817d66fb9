DAMAGE[15] = {"teapot left in stock": (6, 11)}
